"""Plots for reports: reliability, risk and coverage, robustness, with numbers beside the marks.

Each function returns a matplotlib figure; `style.write_picture` and `style.picture_bytes` make files of it. No
information is in colour alone: series differ by marker and dash, and cells and bars carry numbers. Not supported: more
than six series.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emosllm.errors import UserError
from emosllm.evaluation.abstention import RiskCoverage
from emosllm.evaluation.calibration import Calibration
from emosllm.evaluation.robustness.records import Robustness, SeverityResult
from emosllm.reporting.style import BLUE, FAINT, INK, SERIES, house_style

_FEWEST = 10  # clips below which a share is not reliable
_PANELS = 4  # per row
_LETTER = 0.075  # width in inches of a letter of 9.5 points


def draw_reliability(calibrations: Mapping[str, Calibration], title: str) -> Any:
    """Plot accuracy over confidence in bins of equal width, with the clips in each; overconfident below the diagonal.

    Bins of fewer than ten clips are hollow and off the line.

    Args:
        calibrations: series -> figures, for example without and with a temperature.
        title: of the plot.

    Raises:
        UserError: no series, more than six, or matplotlib is not installed.
    """
    _check_series(calibrations)
    with house_style():
        figure, (axes, below) = new_figure(4.7, 5.6, title, nrows=2, sharex=True, height_ratios=(4, 1))
        axes.plot((0, 1), (0, 1), color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
        axes.text(0.97, 0.04, "overconfident", color=FAINT, size=8.5, ha="right")
        for (name, found), (colour, mark, dash) in zip(calibrations.items(), SERIES, strict=False):
            label = f"{name}: ECE {found.ece:.3f}, NLL {found.nll:.2f}"
            for full, style in (
                (True, {"linestyle": dash, "label": label}),
                (False, {"linestyle": "none", "mfc": "white"}),
            ):
                bins = [each for each in found.bins if each.n and (each.n >= _FEWEST) is full]
                places = [each.confidence for each in bins], [each.accuracy for each in bins]
                axes.plot(*places, color=colour, marker=mark, clip_on=False, zorder=3, **style)
            edges = [found.bins[0].low, *(each.high for each in found.bins)]
            shares = [each.n / found.n for each in found.bins]
            below.stairs(shares, edges, color=colour, linewidth=1.4, linestyle=dash)
            below.stairs(shares, edges, color=colour, alpha=0.12, fill=True)
        axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
        below.set(xlabel="confidence", ylabel="clips")
        below.yaxis.set_major_formatter("{x:.0%}")
        _legend(axes, "upper left")
    return figure


def draw_risk_coverage(curves: Mapping[str, RiskCoverage], title: str) -> Any:
    """Plot the share of wrong answers over the share of answered clips, from ten clips and 2 % on.

    Raises:
        UserError: no series, more than six, or matplotlib is not installed.
    """
    _check_series(curves)
    with house_style():
        figure, axes = new_figure(5.4, 3.6, title)
        top = 0.0
        for (name, curve), (colour, mark, dash) in zip(curves.items(), SERIES, strict=False):
            coverage, risk = np.array(curve.coverage), np.array(curve.risk)
            drawn = coverage * curve.n >= min(max(_FEWEST, curve.n / 50), curve.n)
            label = f"{name}: AURC {curve.aurc:.3f} (best possible {curve.aurc_best:.3f})"
            axes.plot(coverage[drawn], risk[drawn], color=colour, linestyle=dash, label=label)
            axes.plot(coverage[-1], risk[-1], color=colour, marker=mark, clip_on=False, zorder=3)
            axes.text(coverage[-1] + 0.02, risk[-1], f"{risk[-1]:.2f}", color=colour, va="center", size=8.5)
            top = max(top, float(risk[drawn].max()))
        axes.set(xlim=(0, 1), ylim=(0, min(1, 1.45 * top + 0.02)), xlabel="share of clips answered",
                 ylabel="share of answers wrong")  # fmt: skip
        axes.xaxis.set_major_formatter("{x:.0%}")
        _legend(axes, "upper left")
    return figure


def draw_robustness(sweeps: Mapping[str, Robustness], title: str) -> Any:
    """Plot UA by condition and severity, with intervals; one panel each, and a shared last panel for single severities.

    Args:
        sweeps: system -> sweep, all over the same conditions.
        title: of the plot.

    Raises:
        UserError: no series, more than six, only clean clips, other conditions in one system than in another, or
            matplotlib is not installed.
    """
    _check_series(sweeps)
    names = list(dict.fromkeys(point.condition for sweep in sweeps.values() for point in sweep.points))
    if not names:
        raise UserError(f"cannot draw {title!r}: no condition was swept")
    if len({tuple((point.condition, point.severity) for point in sweep.points) for sweep in sweeps.values()}) > 1:
        raise UserError(f"cannot draw {title!r}: {', '.join(sweeps)} were not swept over the same conditions")
    first = next(iter(sweeps.values()))
    panels = [(name, [name]) for name in names if len(first.curve(name)) > 1]
    single = [name for name in names if len(first.curve(name)) == 1]
    panels += [(single[0] if len(single) == 1 else "other lines", single)] if single else []
    wide = min(_PANELS, len(panels))
    high = -(-len(panels) // wide)
    with house_style():
        figure, grid = new_figure(0.6 + 2.35 * wide, 0.95 + 2.25 * high, title, nrows=high, ncols=wide, sharey=True)
        cells = np.atleast_1d(grid).ravel()
        for (heading, conditions), axes in zip(panels, cells, strict=False):
            _draw_panel(axes, heading, conditions, sweeps)
        for axes in cells[len(panels) :]:
            axes.set_axis_off()
        for axes in cells[::wide]:
            axes.set_ylabel("UA")
        handles, labels = cells[0].get_legend_handles_labels()
        if len(sweeps) > 1:
            figure.legend(handles, labels, loc="outside lower left", ncols=3)
    return figure


def _draw_panel(axes: Any, heading: str, conditions: Sequence[str], sweeps: Mapping[str, Robustness]) -> None:
    """One condition over its severities, or several conditions of one severity each side by side."""
    joined = len(conditions) == 1
    ticks: list[str] = []
    for index, (name, sweep) in enumerate(sweeps.items()):
        colour, mark, dash = SERIES[index]
        points: list[tuple[str, SeverityResult]] = [
            (_tick(point), point) for each in conditions for point in sweep.curve(each)
        ]
        if not joined:
            points = [(point.condition, point) for _, point in points]
        place = _place_of_clean(sweep, conditions[0]) if joined else 0
        points.insert(place, ("clean", sweep.clean))
        ticks = [tick for tick, _ in points]
        where = np.arange(len(points)) + (index - (len(sweeps) - 1) / 2) * (0.0 if joined else 0.14)
        values = np.array([point.ua for _, point in points])
        axes.axhline(sweep.clean.ua, color=colour, linewidth=0.8, alpha=0.6, linestyle=(0, (1, 2)))
        axes.plot(where, values, color=colour, marker=mark, linestyle=dash if joined else "none", label=name,
                  clip_on=False, zorder=3)  # fmt: skip
        ends = np.array([(p.ua_interval.low, p.ua_interval.high) if p.ua_interval else (p.ua, p.ua) for _, p in points])
        if joined:
            axes.fill_between(where, *ends.T, color=colour, alpha=0.13, linewidth=0)
        else:
            axes.vlines(where, *ends.T, color=colour, linewidth=1.2)
    unit = next(iter(sweeps.values())).units.get(conditions[0], "")
    axes.set_title(f"{heading}, {unit}" if joined else heading)
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set(ylim=(0, 1), xlim=(-0.35, len(ticks) - 0.65))
    axes.grid(False, axis="x")


def _place_of_clean(sweep: Robustness, condition: str) -> int:
    """The position of the clean clips among the severities: before the first, or at the severity without an effect."""
    unchanged = sweep.unchanged.get(condition)
    severities = [point.severity or 0.0 for point in sweep.curve(condition)]
    between = unchanged is not None and min(severities, default=0) < unchanged < max(severities, default=0)
    return sum(severity < unchanged for severity in severities) if between and unchanged is not None else 0


def _tick(point: SeverityResult) -> str:
    return "clean" if point.severity is None else f"{point.severity:g}"


def new_figure(width: float, height: float, title: str, **layout: Any) -> tuple[Any, Any]:
    """A white figure of the given size in inches with a bold title, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    size = min(12.0, 12.0 * (width - 0.2) / (_LETTER * 12 / 9.5 * max(1, len(title))))
    figure.suptitle(title, x=0.012, ha="left", weight="bold", size=size, color=INK)
    return figure, figure.subplots(**layout)


def _legend(axes: Any, place: str) -> None:
    axes.legend(loc=place, fontsize=8.5, borderaxespad=0.3)


def blues() -> Any:
    """A colour map from pale to dark blue that is also legible in greyscale."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("house", ["#f4f7f9", "#a9cbe3", BLUE, "#00385a"])


def _check_series(series: Mapping[str, object]) -> None:
    if not 0 < len(series) <= len(SERIES):
        raise UserError(f"cannot draw {len(series)} series in one plot: 1 to {len(SERIES)} can be distinguished")
