"""Sentences and numbers that all formats of a report share: intervals, remarks, definitions of the figures."""

from collections.abc import Mapping

from emosllm.evaluation.abstention import AbstentionScores
from emosllm.evaluation.dimensions import METHOD
from emosllm.evaluation.metrics import METRICS, Interval
from emosllm.evaluation.report import Report, count

#: Figure -> its name in tables, the most important first.
NAMES: Mapping[str, str] = {name: metric.title for name, metric in METRICS.items()}


def with_interval(value: float, interval: Interval | None) -> str:
    """`0.523 [0.481, 0.567]`."""
    return f"{value:.3f}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval else "")


def report_size(report: Report) -> str:
    """`240 clips, 4 speakers, 8 classes`: what the headline is over."""
    classes = f"{len(report.scores.per_class)} of {len(report.labels)} classes"
    return f"{count(report.scores.n, 'clip')}, {count(report.speakers, 'known speaker')}, {classes}"


def remarks(report: Report) -> list[str]:
    """Warnings for a reader of the headline, one sentence each."""
    notes = [report.interval_note]
    if report.scores.unanswered:
        notes.append(
            f"Without an answer, and so wrong: {count(report.scores.unanswered, 'clip')} of {report.scores.n}."
        )
    if report.answer == "generate":
        counted = report.fallback or "no answer"
        notes.append(f"Text that named no label: {report.unnamed} of {report.scores.n}, counted as {counted}.")
    if report.confidence is not None and report.confidence.temperature != 1:
        notes.append(f"Probabilities are at temperature {report.confidence.warmth}, which changes no answer.")
    if report.dimensions:
        notes.append(METHOD)
    if report.selective is not None:
        notes.append(_selective(report.selective))
    notes += report.doubts
    if report.errors:
        notes.append(f"{count(report.errors, 'recording')} could not be read.")
    if report.left_out:
        listed = ", ".join(f"{clips} {name}" for name, clips in report.left_out.items())
        total = count(sum(report.left_out.values()), "clip")
        notes.append(f"{total} left out, since {report.label_set} has no class for them ({listed}).")
    if report.silent_classes:
        notes.append(f"No clip is {' or '.join(report.silent_classes)}; UA and F1 are over the other classes.")
    return notes


def definitions(report: Report) -> list[str]:
    """Definitions of the figures, one sentence each."""
    lines = [
        "UA, unweighted accuracy: the mean recall of the classes that occur in the reference.",
        "WA, weighted accuracy: the share of clips with a right answer.",
        "F1 of a class: 2 hits / (its clips + clips answered with it), as in scikit-learn. Macro F1 is the mean over "
        "the classes of UA; weighted F1 is weighted by their clips.",
        "A clip without an answer (an unreadable recording, a text that names no class) counts as wrong.",
        f"Intervals: percentile bootstrap over speakers ({report.resamples} resamples, seed {report.seed}, level "
        f"{report.level:g}), after Bisani and Ney (ICASSP 2004). They cover other speakers, and not another training.",
    ]
    if report.wer is not None:
        lines.append(
            "Word error rate: substitutions, deletions and insertions per word spoken, over all clips with a "
            "transcript, in lower case without punctuation."
        )
    return lines


def _selective(found: AbstentionScores) -> str:
    """The figures of the clips that reach the confidence threshold."""
    kept = f"Answering only with a confidence of {found.threshold:g} or more: {found.covered} of {found.n} clips"
    if found.scores is None:
        return f"{kept}, so no figures."
    figures = f"UA {found.scores.ua:.3f} (classes left: {len(found.scores.per_class)}), WA {found.scores.wa:.3f}"
    return f"{kept} ({found.coverage:.1%}), {figures}."
