"""Write the tables and curves of docs/performance.md from the stored results."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill as fill_lines
from typing import Any

from bench.results import Result, read_results, table
from emosllm.files import write_atomically
from emosllm.reporting.style import SERIES, house_style, write_picture

PAGE = Path("docs/performance.md")
PICTURE = Path("docs/performance/curves.svg")
CURVES = "curves.json"
_IMPLEMENTATIONS = ("plain", "ours")


def write_pages(folder: Path, names: Sequence[str]) -> None:
    """Put what is measured into the blocks of docs/performance.md that are marked for it."""
    results = read_results(folder, names)
    blocks = {"cases": table(results) + "\n" + provenance(results)} if results else {}
    if (folder / CURVES).is_file():
        kept = json.loads((folder / CURVES).read_text(encoding="utf-8"))
        blocks["curves"] = curves_table(kept["curves"])
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        draw(kept["curves"], PICTURE)
    write_atomically(PAGE, fill(PAGE.read_text(encoding="utf-8"), blocks))


def fill(page: str, blocks: Mapping[str, str]) -> str:
    """Replace the blocks `<!-- bench:NAME -->` to `<!-- /bench:NAME -->` of a page."""
    for name, text in blocks.items():
        pattern = re.compile(rf"(<!-- bench:{name} -->\n).*?(<!-- /bench:{name} -->)", re.DOTALL)
        if found := pattern.search(page):
            page = page[: found.end(1)] + text + page[found.start(2) :]
    return page


def provenance(results: Sequence[Result]) -> str:
    """The machine and the versions behind the figures, and which of them were measured under load."""
    places = {
        f"{one['machine']['processor']}, {one['settings']['threads']} threads, {one['settings']['device']}, "
        f"torch {one['versions'].get('torch', '?')}, transformers {one['versions'].get('transformers', '?')}, "
        f"commit {one['commit']}, {one['date']}"
        for one in results
    }
    minutes = sum(one["took_seconds"] for one in results if one["settings"]["scale"] == "full") / 60
    text = f"Measured on: {'; '.join(sorted(places))}. Measuring the usual size took {minutes:.0f} minutes.\n"
    if any(one["crowded"] for one in results):
        text += (
            "\nRows marked *under load* were measured while other processes computed: their ratios are less reliable.\n"
        )
    return text


def curves_table(curves: Sequence[dict[str, Any]]) -> str:
    """A table of the expected and the measured order."""
    lines = ["| what grows | expected of ours | ours, operations | ours, seconds | plain, operations |"]
    lines.append("| --- | --- | ---: | ---: | ---: |")
    for curve in curves:
        orders = [curve[key] for key in ("ours_order_by_operations", "ours_order_by_seconds")]
        orders.append(curve["plain_order_by_operations"])
        lines.append(f"| {curve['axis']} | {curve['expected']} | {' | '.join(f'{one:.2f}' for one in orders)} |")
    return "\n".join(lines) + "\n"


def draw(curves: Sequence[dict[str, Any]], path: Path) -> None:
    """Plot one panel for each curve: seconds over the growing quantity, both axes logarithmic."""
    with house_style():
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator

        figure = Figure(figsize=(2.2 * len(curves), 2.8), layout="constrained", facecolor="white")
        panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
        for axes, curve in zip(panels, curves, strict=True):
            values = [point["value"] for point in curve["points"]]
            for implementation, (colour, marker, dash) in zip(_IMPLEMENTATIONS, SERIES, strict=False):
                seconds = [point[implementation]["seconds"] for point in curve["points"]]
                axes.loglog(values, seconds, color=colour, marker=marker, linestyle=dash, label=implementation)
            axes.set_xticks(values, [str(value) for value in values])
            axes.minorticks_off()
            axes.set_xlabel(fill_lines(curve["axis"], 18))
        panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        panels[0].yaxis.set_major_formatter("{x:g}")
        figure.axes[0].set_ylabel("seconds")
        figure.axes[0].legend()
        write_picture(figure, path)
