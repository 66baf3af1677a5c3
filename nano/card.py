"""nano's model card: `card.md` filled with its figures, so that no number in it is typed by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_NAMES = {"ravdess": "RAVDESS (English)", "emodb": "EMO-DB (German)", "nemo": "nEMO (Polish)"}

_CARD = Path(__file__).with_name("card.md")


def card(figures: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    test = figures["nano"]["test"]
    wer = ", ".join(f"{_NAMES[corpus]} {_figure(row['wer'])}" for corpus, row in test.items())
    return _CARD.read_text(encoding="utf-8").format(
        parts="\n".join(_part(name, *part) for name, part in figures["parts"].items()),
        rows="\n".join(_row(corpus, figures) for corpus in test),
        wer=wer,
        overlap=figures["sentences"],
    )


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
