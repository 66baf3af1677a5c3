"""Fill nano's model card, `card.md`, and its tables of results, `results.md`, with the measured figures."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_NAMES = {"ravdess": "RAVDESS (English)", "emodb": "EMO-DB (German)", "nemo": "nEMO (Polish)"}

_UNITS = {"white noise": "dB", "reverberation": "s RT60", "A-law": "kbit/s"}

_HERE = Path(__file__).parent
_BLOCK = re.compile(r"(<!-- nano: .*? -->\n).*?(<!-- end -->)", re.DOTALL)


def card(figures: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""
    parts = "\n".join(_part(name, *part) for name, part in figures["parts"].items())
    return _read("card.md").format(parts=parts, results=results(figures).rstrip("\n"), **_calibration(figures))


def results(figures: Mapping[str, Any]) -> str:
    """Return the tables of results with their explanation as Markdown."""
    test = figures["nano"]["test"]
    left_out = [_left_out(corpus, figures) for corpus in figures["left_out"]]
    return _read("results.md").format(
        rows="\n".join(_row(corpus, figures) for corpus in test),
        left_out="\n".join([*left_out, _mean_left_out(figures)]),
        clean=", ".join(_figure(row["ua"]) for row in test.values()),
        spoilt="; ".join(
            f"{name} {_UNITS[name.rpartition(' ')[0]]} {', '.join(_figure(ua) for ua in row.values())}"
            for name, row in figures["spoilt"].items()
        ),
        overlap=figures["sentences"],
    )


def fill(page: str, figures: Mapping[str, Any]) -> str:
    """Replace the results block of a document by the current results."""
    return _BLOCK.sub(lambda found: found[1] + results(figures) + found[2], page)


def _calibration(figures: Mapping[str, Any]) -> dict[str, str]:
    fitted = figures["calibration"] | figures["temperatures"]
    return {name: _figure(value) for name, value in fitted.items()}


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
        _figure(test["ece"]),
        f"{test['n']}, {test['speakers']}",
        _figure(figures["baseline"]["test"][corpus]["UA"]),
        _figure(figures["probe"]["test"][corpus]["UA"]),
    )
    return _cells(cells)


def _left_out(corpus: str, figures: Mapping[str, Any]) -> str:
    plain, adapted = figures["left_out"][corpus], figures["left_out_adapted"][corpus]
    probe = figures["probe"]
    low, high = (_figure(end) for end in plain["interval"])
    return _cells(
        (
            _NAMES[corpus],
            plain["n"],
            f"**{_figure(plain['ua'])}** [{low}, {high}]",
            *(_figure(plain[name]) for name in ("ua_own_classes", "ece")),
            *(_figure(adapted[name]) for name in ("ua", "ua_own_classes", "ece")),
            *(_figure(probe[name][corpus]["UA"]) for name in ("left_out", "left_out_adapted")),
        )
    )


def _mean_left_out(figures: Mapping[str, Any]) -> str:
    def mean(part: Mapping[str, Any], name: str) -> str:
        return _figure(sum(row[name] for row in part.values()) / len(part))

    plain, adapted, probe = figures["left_out"], figures["left_out_adapted"], figures["probe"]
    return _cells(
        (
            "mean",
            "",
            f"**{mean(plain, 'ua')}**",
            *(mean(plain, name) for name in ("ua_own_classes", "ece")),
            *(mean(adapted, name) for name in ("ua", "ua_own_classes", "ece")),
            *(mean(probe[name], "UA") for name in ("left_out", "left_out_adapted")),
        )
    )


def _cells(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _with_interval(row: Mapping[str, Any]) -> str:
    interval = row["intervals"]["ua"]
    return _figure(row["ua"]) + (f" [{_figure(interval[0])}, {_figure(interval[1])}]" if interval else "")


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
