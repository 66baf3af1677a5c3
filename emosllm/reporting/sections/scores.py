"""Sections on the answers themselves: the headline, classes, confusions, corpora, and one system against another."""

from collections.abc import Iterable

from emosllm.evaluation.fairness import CalledInstead
from emosllm.evaluation.report import count
from emosllm.evaluation.statistics.significance import Comparison
from emosllm.reporting.blocks import Cell, Number, Section, Share, Table, key_of, p_text
from emosllm.reporting.evaluations import Evaluation, SideBySide
from emosllm.reporting.report_text import NAMES, remarks
from emosllm.reporting.sections.dimensions import differences


def headline(side: SideBySide) -> Section:
    """UA, WA and the F1s of every system, and what a reader must know before believing them."""
    wer = any(run.report.wer is not None for run in side.runs)
    rows = []
    for run in side.runs:
        figures = [run.figure(f"scores/{name}", f"intervals/{name}", bar=True) for name in NAMES]
        heard: list[Cell] = [run.figure("wer")] if wer else []
        rows.append((run.name, *figures, *heard, run.report.scores.n))
    head = ("", *NAMES.values(), *(["WER"] if wer else []), "clips")
    return Section("Figures", (Table(head, tuple(rows)),), notes=_remarks(side))


def significance(side: SideBySide) -> Section:
    """Each system against the first."""
    first = side.comparisons[0]
    blocks = [_differences(pair) for pair in side.comparisons]
    blocks += differences(side.readings)
    blocks.append(_mcnemar(side.comparisons))
    blocks += [table for pair in side.neutral for table in _called(*pair)]
    return Section(
        "Differences",
        tuple(blocks),
        (
            f"Every system against {first.first}, on the same {count(first.n, 'clip')} of "
            f"{count(first.speakers, 'independent speaker')}. Intervals and p by paired bootstrap over speakers "
            f"({first.resamples} resamples, seed {first.seed}) ask whether other speakers would show the difference; "
            "McNemar's test takes clips for independent, which those of one speaker are not, so its p is too small. "
            "Neither knows what another training would have given. No correction for many comparisons.",
        ),
    )


def classes(side: SideBySide) -> Section:
    """Recall, precision and F1 of each class and system."""
    tables = []
    for run in side.runs:
        rows: list[tuple[Cell, ...]] = [
            (
                entry.name,
                *(
                    run.figure(f"scores/per_class/{place}/{name}", bar=name == "recall")
                    for name in ("recall", "precision", "f1")
                ),
                entry.support,
            )
            for place, entry in enumerate(run.report.scores.per_class)
        ]
        title = run.name if len(side.runs) > 1 else ""
        tables.append(Table(("class", "recall", "precision", "F1", "clips"), tuple(rows), title))
    return Section("Classes", tuple(tables))


def confusions(side: SideBySide) -> Section:
    """A row is what was spoken, a column what was answered."""
    text = "A row is what was spoken, a column what was answered: the share of the row, and clips."
    return Section("Confusions", tuple(_confusion(run, len(side.runs) > 1) for run in side.runs), (text,))


def corpora(side: SideBySide) -> Section | None:
    """The headline corpus by corpus; `None` where there is one."""
    runs = [run for run in side.runs if len(run.report.by_corpus) > 1]
    tables = []
    for run in runs:
        rows = []
        for name, group in run.report.by_corpus.items():
            at = f"by_corpus/{key_of(name)}"
            figures = (run.figure(f"{at}/ua", f"{at}/ua_interval", bar=True), run.figure(f"{at}/wa"))
            rows.append((name, *figures, group.classes, group.speakers, group.n))
        title = run.name if len(side.runs) > 1 else ""
        tables.append(Table(("corpus", "UA", "WA", "classes", "speakers", "clips"), tuple(rows), title))
    return Section("Corpora", tuple(tables)) if tables else None


def _remarks(side: SideBySide) -> tuple[str, ...]:
    """What holds of all systems once, the rest with the system's name."""
    told = {run.name: remarks(run.report) for run in side.runs}
    shared = [note for note in remarks(side.runs[0].report) if all(note in notes for notes in told.values())]
    return (
        *side.notes,
        *shared,
        *(f"{name}: {note}" for name, notes in told.items() for note in notes if note not in shared),
    )


def _confusion(run: Evaluation, named: bool) -> Table:
    scores = run.report.scores
    shown = (*scores.labels, *(["no answer"] if scores.unanswered else []))
    rows: list[tuple[Cell, ...]] = []
    for place, (name, counts) in enumerate(zip(scores.labels, scores.confusion, strict=True)):
        total = sum(counts)
        if total:
            at = f"{run.number}/scores/confusion/{place}"
            cells = [
                Share(clips, clips / total, column == place, f"{at}/{column}")
                for column, clips in enumerate(counts[: len(shown)])
            ]
            rows.append((name, *cells, total))
    return Table(("", *shown, "all"), tuple(rows), run.name if named else "")


def _differences(pair: Comparison) -> Table:
    rows = []
    for name, title in NAMES.items():
        found = pair.differences[name]
        change = Number(found.difference, found.interval, signed=True)
        rows.append((title, Number(found.first), Number(found.second), change, p_text(found.p)))
    head = ("", pair.first, pair.second, "difference", "p, bootstrap")
    return Table(head, tuple(rows), f"{pair.second} against {pair.first}")


def _mcnemar(pairs: Iterable[Comparison]) -> Table:
    rows = []
    for pair in pairs:
        test = pair.mcnemar
        counts = (test.both, test.only_first, test.only_second, test.neither)
        rows.append((pair.second, *counts, p_text(test.p_exact), Number(test.chi_square, places=2)))
    head = ("", "both right", "only the first", "only this one", "neither", "p, exact", "χ²")
    return Table(head, tuple(rows), "McNemar's test")


def _called(first: CalledInstead, second: CalledInstead) -> Iterable[Table]:
    """AA-SLLM's table 3, both ways."""
    for found in (first, second):
        if not found.n:
            continue
        rows: list[tuple[Cell, ...]] = [
            (name, called, clips, Number(called / clips if clips else None))
            for name, (called, clips) in found.by_class.items()
        ]
        rows.append(("all", found.called, found.n, Number(found.share)))
        title = f"{found.right} is right and {found.wrong} is not: called {found.name}"
        head = ("spoken", f"called {found.name}", "such clips", "share")
        note = f"“all” includes clips that are {found.name} and were called something else (AA-SLLM, table 3)."
        yield Table(head, tuple(rows), title, note)
