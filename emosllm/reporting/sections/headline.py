"""The section on the headline figures: UA, WA and the F1s of every system, and remarks on them."""

from emosllm.reporting.blocks import Cell, Section, Table
from emosllm.reporting.evaluations import ComparedEvaluations
from emosllm.reporting.report_text import NAMES, remarks


def headline(side: ComparedEvaluations) -> Section:
    """UA, WA and the F1s of every system, and warnings for a reader of these figures."""
    wer = any(run.report.wer is not None for run in side.runs)
    rows = []
    for run in side.runs:
        figures = [run.figure(f"scores/{name}", f"intervals/{name}", bar=True) for name in NAMES]
        words: list[Cell] = [run.figure("wer")] if wer else []
        rows.append((run.name, *figures, *words, run.report.scores.n))
    head = ("", *NAMES.values(), *(["WER"] if wer else []), "clips")
    return Section("Figures", (Table(head, tuple(rows)),), notes=_remarks(side))


def _remarks(side: ComparedEvaluations) -> tuple[str, ...]:
    """The remarks on all systems once, the others with the system's name."""
    notes_of = {run.name: remarks(run.report) for run in side.runs}
    shared = [note for note in remarks(side.runs[0].report) if all(note in notes for notes in notes_of.values())]
    return (
        *side.notes,
        *shared,
        *(f"{name}: {note}" for name, notes in notes_of.items() for note in notes if note not in shared),
    )
