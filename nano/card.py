"""nano's model card: `card.md` filled with its figures, so that no number in it is typed by hand."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_NAMES = {"ravdess": "RAVDESS (English)", "emodb": "EMO-DB (German)", "nemo": "nEMO (Polish)"}

_HERE = Path(__file__).parent
_BLOCK = re.compile(r"(<!-- nano: .*? -->\n).*?(<!-- end -->)", re.DOTALL)


def card(figures: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    parts = "\n".join(_part(name, *part) for name, part in figures["parts"].items())
    return _read("card.md").format(parts=parts, results=results(figures).rstrip("\n"), **_calibration(figures))


def results(figures: Mapping[str, Any]) -> str:
    """The table of results and how to read it, as Markdown."""
    test = figures["nano"]["test"]
    return _read("results.md").format(
        rows="\n".join(_row(corpus, figures) for corpus in test),
        strategies="; ".join(
            f"`{name}` {', '.join(_figure(row[corpus]) for corpus in test)}"
            for name, row in figures["strategies"].items()
        ),
        overlap=figures["sentences"],
    )


def fill(page: str, figures: Mapping[str, Any]) -> str:
    """A page of the documents with the results in the block that is theirs."""
    return _BLOCK.sub(lambda found: found[1] + results(figures) + found[2], page)


def _calibration(figures: Mapping[str, Any]) -> dict[str, str]:
    return {name: _figure(value) for name, value in figures["calibration"].items()}


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _part(name: str, what: str, weights: int) -> str:
    return f"| {name} | {what} | {weights:,} |"


def _row(corpus: str, figures: Mapping[str, Any]) -> str:
    test, val = figures["nano"]["test"][corpus], figures["nano"]["val"][corpus]
    own = figures["own_classes"]["test"][corpus]
    seen = sum(1 for row in test["confusion"] if sum(row))
    cells = (
        _NAMES[corpus],
        seen,
        _with_interval(val),
        f"**{_with_interval(test)}**",
        _with_interval(own),
        _figure(test["wa"]),
        f"{test['n']}, {test['speakers']}",
        _figure(figures["baseline"]["test"][corpus]["UA"]),
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _with_interval(row: Mapping[str, Any]) -> str:
    interval = row["intervals"]["ua"]
    return _figure(row["ua"]) + (f" [{_figure(interval[0])}, {_figure(interval[1])}]" if interval else "")


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
