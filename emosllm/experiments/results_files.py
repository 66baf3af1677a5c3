"""Write the results of an experiment as Markdown and JSON, and as a table for the terminal."""

import json
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from emosllm.evaluation.statistics.significance import SeedSpread
from emosllm.experiments.results import Results, Row
from emosllm.files import write_atomically
from emosllm.reporting.formats.markdown_blocks import table_text
from emosllm.reporting.report_text import NAMES, count, hardware_text, hours, with_interval

_LETTERS = 12  # of a hash, for comparison by eye


def write_results(results: Results, folder: Path) -> None:
    """Write `results.md` and, last, `results.json` into the folder, each atomically."""
    write_atomically(folder / "results.md", markdown(results))
    found = json.dumps(results.to_dict(), ensure_ascii=False, allow_nan=False, indent=2)
    write_atomically(folder / "results.json", found + "\n")


def markdown(results: Results) -> str:
    """The text of `results.md`: warnings, the table, and how it was computed."""
    title = NAMES[results.figure]
    head = [*results.keys] or ["system"]
    head += [f"{title}, mean of folds ± sd" if len(results.folds) > 1 else title, f"{title}, all clips [95 %]"]
    if results.seeds > 1:
        over = f"over {results.seeds} seeds ± sd [95 %]"
        head += [over, f"all clips, {over}"] if len(results.folds) > 1 else [over]
    cells = []
    for row in results.rows:
        names = [*row.values.values()] if results.keys else [row.name]
        line = [*names, _mean(row), "–" if row.pooled is None else with_interval(row.pooled, row.interval)]
        line += _by_seed(results, row)
        cells.append([f"**{cell}**" for cell in line] if row is results.best and len(results.rows) > 1 else line)
    parts = [f"# {results.title}", *(f"**{note}**" for note in results.notes), table_text(head, cells)]
    parts += [_about_best(results)] if len(results.rows) > 1 else []
    parts += [_by_fold(results)] if len(results.folds) > 1 and len(results.rows) == 1 else []
    failed = [f"- {row.name}: {what}" for row in results.rows for what in row.failed]
    parts += ["## Failed\n\n" + "\n".join(failed)] if failed else []
    return "\n\n".join([*parts, _method_section(results)]) + "\n"


def screen_table(results: Results) -> Table:
    """The same figures for a terminal, the best in bold."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for key in results.keys or ["system"]:
        shown.add_column(key, overflow="fold")
    title = NAMES[results.figure]
    for head in (
        f"{title}, mean ± sd" if len(results.folds) > 1 else title,
        "all clips",
        *(["over seeds", "all clips, over seeds"][: 1 + (len(results.folds) > 1)] if results.seeds > 1 else []),
    ):
        shown.add_column(head, justify="right")
    for row in results.rows:
        names = [*row.values.values()] if results.keys else [row.name]
        figures = [_mean(row), "–" if row.pooled is None else with_interval(row.pooled, row.interval)]
        figures += _by_seed(results, row)
        best = row is results.best and len(results.rows) > 1
        shown.add_row(*map(Text, [*names, *figures]), style="bold" if best else "")
    return shown


def _mean(row: Row) -> str:
    if row.mean is None:
        return "failed"
    return f"{row.mean:.3f}" + (f" ± {row.sd:.3f}" if row.sd is not None else "")


def _by_seed(results: Results, row: Row) -> list[str]:
    """Mean and deviation over seeds: of the folds' mean and, with several folds, of the figure over all clips."""
    if results.seeds == 1:
        return []
    found = [row.over_seeds, row.pooled_over_seeds] if len(results.folds) > 1 else [row.over_seeds]
    return [_seeds(each) for each in found]


def _seeds(found: SeedSpread | None) -> str:
    if found is None or found.sd is None:
        return "–"
    return with_interval(found.mean, found.interval).replace(" [", f" ± {found.sd:.3f} [")


def _about_best(results: Results) -> str:
    best = results.best
    if best is None:
        return "No system has a figure yet."
    return (
        f"Best: {best.name}. Its figure is the highest of {len(results.rows)} and therefore optimistic: evaluate the "
        "chosen system on other clips."
    )


def _by_fold(results: Results) -> str:
    runs = results.rows[0].runs
    rows = [(run["fold"], run["seed"], *(f"{run[metric]:.3f}" for metric in NAMES), run["n"]) for run in runs]
    return "## Folds\n\n" + table_text(("fold", "seed", *NAMES.values(), "clips"), rows)


def _method_section(results: Results) -> str:
    sizes = list(results.folds.values())
    clips = ", ".join(f"{name} {size['train']}/{size['val']}/{size['test']}" for name, size in results.folds.items())
    lines = [
        f"{count(len(sizes), 'fold')} (train/val/test clips): {clips}.",
        results.chosen,
        "Seeds: the recipe's, plus 1000 for each repetition, plus the fold's index from 0; the same for all rows.",
        "Intervals of all clips: percentile bootstrap by speaker, first seed. Intervals over seeds: Student's t."
        if results.seeds > 1
        else "Intervals of all clips: percentile bootstrap by speaker.",
        *_origin_lines(results),
        "Versions: " + ", ".join(f"{name} {version}" for name, version in results.versions.items()) + ".",
    ]
    return "## How this was computed\n\n" + "\n".join(f"- {line}" for line in lines)


def _origin_lines(results: Results) -> list[str]:
    """Data, hours, machine and temperatures, one sentence each."""
    hashes = "; ".join(
        f"{name} {'/'.join(sides[side][:_LETTERS] if results.folds[name][side] else '–' for side in sides)}"
        for name, sides in results.hashes.items()
    )
    lines = [f"Data hashes (train/val/test, the first {_LETTERS} letters): {hashes}."]
    scored = hours(3600 * sum(row.origin.hours_scored for row in results.rows))
    runs = {(each.data, each.seed, each.seconds) for row in results.rows for each in row.origin.trainings.values()}
    if runs:  # systems that differ only in inference share their runs
        trained = hours(sum(seconds for _, _, seconds in runs))
        lines.append(f"Hours: {trained} of training ({count(len(runs), 'run')}), {scored} of scoring.")
    else:
        lines.append(f"Hours: {scored} of scoring.")
    lines.append(f"Machine: {hardware_text(results.hardware)}.")
    for row in results.rows:
        temperatures = ", ".join(f"{name} {each['temperature']:.3f}" for name, each in row.origin.calibrations.items())
        if temperatures:
            lines.append(f"Temperatures of {row.name}: {temperatures}.")
    return [*lines, "Each row's resolved recipe, and each training's data, seed, versions and machine: results.json."]
