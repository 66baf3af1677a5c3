"""Write the blocks of docs/results.md: a table for each paper, the basis of estimates, and our studies with nano."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emosllm.recipe import Recipe
from emosllm.reporting.report_text import NAMES
from papers.commands import Command, read_command
from papers.our_figures import clips_of, find_our_figure, with_interval
from papers.requirements import BASIS, requirements_of
from papers.rows import RESULTS, Corpus, Paper, Row, ShownStudy, read_corpora, read_papers, read_shown_studies

PAGE = Path("docs/results.md")
_HEAD = ("where", "what", "figure", "command that reproduces it", "what it needs", "ours, at nano scale")


def write_page(root: Path) -> None:
    """Replace the blocks of the page."""
    from emosllm.files import write_atomically

    page = root / PAGE
    write_atomically(page, fill(page.read_text(encoding="utf-8"), blocks(root)))


def blocks(root: Path) -> dict[str, str]:
    """Every block, by name."""
    corpora = read_corpora(root)
    found = {name: paper_text(paper, corpora, root) for name, paper in read_papers(root).items()}
    return {**found, "corpora": corpora_text(corpora), "studies": studies_text(read_shown_studies(root), root)}


def fill(page: str, texts: Mapping[str, str]) -> str:
    """Replace the blocks `<!-- papers:NAME -->` to `<!-- /papers:NAME -->` of a page.

    Raises:
        ValueError: the page has no such block.
    """
    for name, text in texts.items():
        found = re.search(rf"(<!-- papers:{name} -->\n).*?(<!-- /papers:{name} -->)", page, re.DOTALL)
        if found is None:
            raise ValueError(f"the page has no block papers:{name}")
        page = page[: found.end(1)] + text + page[found.start(2) :]
    return page


def paper_text(paper: Paper, corpora: Mapping[str, Corpus], root: Path) -> str:
    """A paper's heading, remarks and table."""
    lines = [f"## {paper.title}", "", paper.about, "", _line(_HEAD), _line(["---"] * len(_HEAD))]
    before: tuple[str, ...] = ()
    for row in paper.rows:
        lines.append(_line(_cells(row, paper, corpora, root, before)))
        before = row.commands
    return "\n".join(lines) + "\n"


def _cells(row: Row, paper: Paper, corpora: Mapping[str, Corpus], root: Path, before: tuple[str, ...]) -> list[str]:
    metric = row.metric if row.metric not in (None, paper.metric) else None
    figure = f"{row.figure} {metric}" if metric else row.figure
    if row.commands and row.commands == before:
        return [row.where, row.what, figure, "the same", "", _ours(row, root)]
    commands = [read_command(text) for text in row.commands]
    corpus = corpora[row.corpus or paper.corpus]
    return [
        row.where,
        row.what,
        figure,
        _shown(row.commands),
        requirements_text(row, commands, corpus),
        _ours(row, root),
    ]


def _shown(commands: tuple[str, ...]) -> str:
    return "<br>".join(f"`{text}`" for text in commands) or "none of ours"


def requirements_text(row: Row, commands: list[Command], corpus: Corpus) -> str:
    """The requirements of a row's commands: data, weights, memory and hours."""
    recipes = [(recipe, command) for command in commands for recipe in command.recipes]
    if not recipes:
        return "" if not commands else "nothing"
    if commands[0].verb in ("info", "show"):
        return "nothing: shapes alone are counted"
    texts = dict.fromkeys(_requirements(command, corpus, row.trainings) for command in commands if command.recipes)
    return "; ".join([corpus.title, *texts])


def _requirements(command: Command, corpus: Corpus, trainings: int | None) -> str:
    largest: Recipe = command.recipes[-1]  # the last recipe of a grid is the largest
    return requirements_of(largest, corpus, command.folds, len(command.recipes), trainings != 0).text()


def _ours(row: Row, root: Path) -> str:
    if row.ours is None:
        return str(row.without)
    found = find_our_figure(root, row.ours)
    remark = f"; {row.remark}" if row.remark else ""
    return f"{found.value} (`{found.source}`){remark}"


def corpora_text(corpora: Mapping[str, Corpus]) -> str:
    """The basis of the hours."""
    lines = [BASIS, "", _line(("corpus", "licence", "training clips", "seconds a clip", "source"))]
    lines.append(_line(["---"] * 5))
    for corpus in corpora.values():
        clips = ", ".join(f"{task} {count:,}" for task, count in corpus.clips.items())
        lines.append(_line((corpus.title, corpus.licence, clips, f"{corpus.seconds:g}", corpus.source)))
    return "\n".join(lines) + "\n"


def studies_text(shown: Mapping[str, ShownStudy], root: Path) -> str:
    """A section for each of our studies."""
    held = {
        name: json.loads((root / RESULTS / study.file).read_text(encoding="utf-8")) for name, study in shown.items()
    }
    return "\n".join(_study(study, held[name]) for name, study in shown.items())


def _study(study: ShownStudy, held: Mapping[str, Any]) -> str:
    clips = next(iter(held["folds"].values()))["train"]
    each = " a fold" * (len(held["folds"]) > 1)
    tested = f"{held['rows'][0]['n']} {clips_of(held)}"
    runs = f"{held['seeds']} seed{'s' * (held['seeds'] > 1)}"
    figures = (f"{NAMES[held['figure']]}, 95 % interval", "WA", "macro F1", "weighted F1")
    lines = [f"### {study.title}", "", *[f"`{text}`<br>" for text in (study.first,) if text], f"`{study.command}`", ""]
    lines += [f"Trained on {clips:,} clips{each}, tested on {tested}, {runs}; `{RESULTS}/{study.file}`.", ""]
    lines += [_line((", ".join(held["keys"]) or "system", *figures)), _line(["---"] * 5)]
    lines += [_line((row["name"], with_interval(row), *_others(row))) for row in held["rows"]]
    return "\n".join([*lines, "", f"*What it shows:* {study.shows} *What it does not show:* {study.does_not}", ""])


def _others(row: Mapping[str, Any]) -> list[str]:
    """The other figures, as means of the runs."""
    runs = row["runs"]
    return [f"{sum(run[name] for run in runs) / len(runs):.3f}" for name in ("wa", "macro_f1", "weighted_f1")]


def _line(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"
