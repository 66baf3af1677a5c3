"""The section on differences: each system against the first, by bootstrap and by McNemar's test."""

from collections.abc import Iterable

from emosllm.evaluation.fairness import ConfusedWith
from emosllm.evaluation.statistics.significance import Comparison
from emosllm.reporting.blocks import Cell, Number, Section, Table, p_text
from emosllm.reporting.evaluations import ComparedEvaluations
from emosllm.reporting.report_text import NAMES, count
from emosllm.reporting.sections.dimensions import dimension_differences


def differences(compared: ComparedEvaluations) -> Section | None:
    """Each system against the first; `None` if there is only one."""
    if not compared.several:
        return None
    pairs = compared.comparisons.scores
    first = pairs[0]
    blocks = [_score_differences(pair) for pair in pairs]
    blocks += dimension_differences(compared.comparisons.dimensions)
    blocks.append(_mcnemar(pairs))
    blocks += [table for pair in compared.comparisons.neutral for table in _called(*pair)]
    return Section(
        "Differences",
        tuple(blocks),
        (
            f"Every system against {first.first}, on the same {count(first.n, 'clip')} of "
            f"{count(first.speakers, 'independent speaker')}. Intervals and p by paired bootstrap over speakers "
            f"({first.resamples} resamples, seed {first.seed}) estimate whether other speakers would show the "
            "difference. McNemar's test assumes independent clips. Clips of one speaker are not independent, so its p "
            "is too small. Neither test covers another training. There is no correction for multiple comparisons.",
        ),
    )


def _score_differences(pair: Comparison) -> Table:
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


def _called(first: ConfusedWith, second: ConfusedWith) -> Iterable[Table]:
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
