"""Plot a sweep: a heatmap for two keys, a line for one, with the figures in the cells and at the points."""

from pathlib import Path
from typing import Any

import numpy as np

from emosllm.errors import UserError
from emosllm.experiments.results import Results, Row
from emosllm.reporting.plots import blues, new_figure
from emosllm.reporting.report_text import NAMES
from emosllm.reporting.style import BLUE, FAINT, GREY, INK, RED, house_style, write_picture

_LONGEST = 22  # letters of a value beside an axis
_SPAN = 0.1  # least difference between the palest and the darkest shade, so that a grid of similar figures looks so


def write_pictures(results: Results, folder: Path) -> list[Path]:
    """Plot experiments with one or two keys as `results.png` and `results.svg`.

    Raises:
        UserError: matplotlib is not installed.
    """
    if len(results.keys) not in (1, 2):
        return []
    figure = (draw_line if len(results.keys) == 1 else draw_heatmap)(results)
    paths = [folder / f"results{suffix}" for suffix in (".png", ".svg")]
    for path in paths:
        write_picture(figure, path)
    return paths


def draw_heatmap(results: Results) -> Any:
    """Plot the mean over folds by two keys, rows the first. The best has a frame; failed and missing runs have none.

    Raises:
        UserError: not two keys, or matplotlib is not installed.
    """
    if len(results.keys) != 2:
        raise UserError(f"a heatmap has two keys, this experiment {len(results.keys)}")
    (down, rows), (across, columns) = results.keys.items()
    found = {(row.values[down], row.values[across]): row for row in results.rows}
    means = np.full((len(rows), len(columns)), np.nan)
    for (i, one), (j, other) in ((a, b) for a in enumerate(rows) for b in enumerate(columns)):
        cell = found.get((one, other))
        means[i, j] = np.nan if cell is None or cell.mean is None else cell.mean
    with house_style():
        figure, axes = new_figure(2.1 + 0.95 * max(3, len(columns)), 1.6 + 0.62 * max(2, len(rows)), results.title)
        axes.grid(False)
        low, high = (np.nanmin(means), np.nanmax(means)) if np.isfinite(means).any() else (0.0, 1.0)
        span = max(high - low, _SPAN)
        axes.imshow(means, cmap=blues(), vmin=low, vmax=low + span, aspect="auto")
        axes.set_xticks(range(len(columns)), [_short(value) for value in columns], color=INK)
        axes.set_yticks(range(len(rows)), [_short(value) for value in rows], color=INK)
        axes.set(xlabel=short_key(across), ylabel=short_key(down))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for (i, j), mean in np.ndenumerate(means):
            cell = found.get((rows[i], columns[j]))
            dark = np.isfinite(mean) and (mean - low) / span > 0.55
            best = cell is not None and cell is results.best
            axes.text(j, i, _cell_text(cell), ha="center", va="center", size=9, weight="bold" if best else "normal",
                      color="white" if dark else INK if np.isfinite(mean) else GREY)  # fmt: skip
            if best:
                axes.add_patch(_frame(i, j))
        axes.set_title(_subtitle(results), size=9, color=FAINT)
    return figure


def draw_line(results: Results) -> Any:
    """Plot the mean over folds by one key, with single runs as small dots and an error bar.

    The bar is one standard deviation of the folds each way; for one training on one split, the interval of its clips.

    Raises:
        UserError: not one key, or matplotlib is not installed.
    """
    if len(results.keys) != 1:
        raise UserError(f"a line has one key, this experiment {len(results.keys)}")
    ((key, values),) = results.keys.items()
    rows = {row.values[key]: row for row in results.rows}
    done = [(place, rows[value]) for place, value in enumerate(values) if value in rows]
    whole = [(place, row, row.mean) for place, row in done if row.mean is not None]
    with house_style():
        figure, axes = new_figure(1.6 + max(3.0, 0.95 * len(values)), 3.4, results.title)
        for place, row in done:
            dots = [run[results.figure] for run in row.runs]
            if len(dots) > 1:
                axes.plot([place] * len(dots), dots, ".", color=GREY, markersize=4, zorder=2)
        axes.plot([p for p, _, _ in whole], [m for _, _, m in whole], color=BLUE, marker="o", zorder=3,
                  linestyle="-" if _ordered(values) else "none")  # fmt: skip
        for place, row, mean in whole:
            if (ends := _ends(results, row, mean)) is not None:
                axes.vlines(place, *ends, color=BLUE, linewidth=1.2)
            axes.text(place + 0.07, mean, f"{mean:.3f}", color=INK, size=8.5, va="bottom")
        axes.set_xticks(range(len(values)), [_short(value) for value in values], color=INK)
        axes.set(xlim=(-0.4, len(values) - 0.4), xlabel=short_key(key), ylabel=NAMES[results.figure])
        axes.grid(False, axis="x")
        axes.set_title(_subtitle(results), size=9, color=FAINT)
    return figure


def short_key(key: str) -> str:
    """The last part of a key: `learning_rate` of `phases.ser.optimiser.learning_rate`; two words stay unchanged."""
    words = key.split(".")
    return words[-1] if len(words) > 2 else key


def _ends(results: Results, row: Row, mean: float) -> tuple[float, float] | None:
    """The ends of the error bar at a point."""
    if row.sd is not None:
        return mean - row.sd, mean + row.sd
    if _one_run(results) and row.interval is not None:
        return row.interval.low, row.interval.high
    return None


def _one_run(results: Results) -> bool:
    """Whether the interval of all clips is also that of the mean: one fold, one seed."""
    return len(results.folds) == 1 and results.seeds == 1


def _subtitle(results: Results) -> str:
    folds, seeds = len(results.folds), results.seeds
    over = f"mean ± standard deviation of {folds} folds" if folds > 1 else "one split"
    if _one_run(results) and any(row.interval is not None for row in results.rows) and len(results.keys) == 1:
        over += ", with the 95 % interval of its clips"
    return f"{NAMES[results.figure]}, {over}" + (f", {seeds} seeds" if seeds > 1 else "")


def _cell_text(row: Row | None) -> str:
    if row is None:
        return "–"
    if row.mean is None:
        return "failed"
    return f"{row.mean:.3f}" + (f"\n±{row.sd:.3f}" if row.sd is not None else "")


def _frame(row: int, column: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, fill=False, edgecolor=RED, linewidth=1.8)


def _short(value: str) -> str:
    """Shorten a value; of a model's path or id the end is kept."""
    return value if len(value) <= _LONGEST else "…" + value[1 - _LONGEST :]


def _ordered(values: Any) -> bool:
    """Whether values are numbers; only points of numbers are joined by a line."""
    try:
        return bool([float(value) for value in values])
    except ValueError:
        return False
