"""The section on the headline figures: UA, WA and the F1s of every system, and remarks on them."""

from emosllm.reporting.blocks import Cell, Number, Section, Table, key_of
from emosllm.reporting.evaluations import ComparedEvaluations, Evaluation
from emosllm.reporting.report_text import NAMES, count, remarks, report_size


def figures(compared: ComparedEvaluations) -> Section:
    """UA, WA and the F1s of every system, and warnings for a reader of these figures.

    A system alone also has its ECE and CCC here.
    """
    wer = any(evaluation.report.wer is not None for evaluation in compared.evaluations)
    rows: list[tuple[Cell, ...]] = []
    for evaluation in compared.evaluations:
        scores = [
            evaluation.figure(f"scores/{name}", f"intervals/{name}", bar=True, main=name == "ua") for name in NAMES
        ]
        words: list[Cell] = [evaluation.figure("wer")] if wer else []
        rows.append((evaluation.name, *scores, *words, evaluation.report.scores.n))
    head = ("System", *NAMES.values(), *(["WER"] if wer else []), "clips")
    notes = _remarks(compared)
    if compared.several:
        return Section("Figures", (Table(head, tuple(rows)),), notes=notes)
    (evaluation,) = compared.evaluations
    more = _further_figures(evaluation)
    table = Table((*head, *more), ((*rows[0], *more.values()),), as_lines=True)
    return Section("Figures", (table,), (f"Over {report_size(evaluation.report)}.",), notes)


def _further_figures(evaluation: Evaluation) -> dict[str, Cell]:
    """The ECE, and the CCC of each dimension, by their names."""
    report = evaluation.report
    found: dict[str, Cell] = {}
    if report.confidence is not None:
        clips = count(report.confidence.calibration.n, "clip")
        found["ECE"] = evaluation.figure("confidence/calibration/ece", note=f"over {clips}")
    for corpus, estimates in report.dimensions.items():
        for dimension, estimate in estimates.items():
            name = f"CCC {dimension}" + (f", {corpus}" if len(report.dimensions) > 1 else "")
            at = f"dimensions/{key_of(corpus)}/{dimension}/scores"
            mean, ceiling = Number(estimate.always_mean).text, Number(estimate.ceiling).text
            note = f"over {count(estimate.scores.n, 'clip')}; always the mean {mean}, true classes {ceiling}"
            found[name] = evaluation.figure(f"{at}/ccc", f"{at}/interval", note=note)
    return found


def _remarks(compared: ComparedEvaluations) -> tuple[str, ...]:
    """The remarks on all systems once, the others with the system's name."""
    notes_of = {evaluation.name: remarks(evaluation.report) for evaluation in compared.evaluations}
    first = remarks(compared.evaluations[0].report)
    shared = [note for note in first if all(note in notes for notes in notes_of.values())]
    return (
        *compared.notes,
        *shared,
        *(f"{name}: {note}" for name, notes in notes_of.items() for note in notes if note not in shared),
    )
