"""Sentences and numbers that all formats of a report share: intervals, remarks, definitions of the figures."""

from collections.abc import Mapping
from typing import Any

from emosllm.evaluation.abstention import AbstentionScores
from emosllm.evaluation.dimensions import METHOD
from emosllm.evaluation.metrics import METRICS, Interval
from emosllm.evaluation.report import Confidence, Report
from emosllm.evaluation.statistics.bootstrap import FEW_SPEAKERS

#: Figure -> its name in tables, the most important first.
NAMES: Mapping[str, str] = {name: metric.title for name, metric in METRICS.items()}


def count(number: int, thing: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{number} {thing}" + ("" if number == 1 else "s")


def hours(seconds: float) -> str:
    """A duration as `0.25 h`, or in seconds if it is below a minute."""
    return f"{seconds / 3600:.2f} h" if seconds >= 60 else f"{seconds:.1f} s"


def hardware_text(facts: Mapping[str, Any]) -> str:
    """The GPU, or the kind of machine, and the number of threads."""
    threads = count(facts["threads"], "thread") if facts.get("threads") else ""
    return ", ".join(str(part) for part in (facts.get("gpu") or facts.get("machine"), threads) if part) or "–"


def temperature_text(confidence: Confidence) -> str:
    """The temperature, or the lowest and the highest of the folds."""
    if confidence.temperature is not None:
        return f"{confidence.temperature:.3f}"
    assert confidence.temperatures is not None
    low, high = confidence.temperatures
    return f"{low:.3f} to {high:.3f}, each fold its own"


def with_interval(value: float, interval: Interval | None) -> str:
    """`0.523 [0.481, 0.567]`."""
    return f"{value:.3f}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval else "")


def report_subject(report: Report) -> str:
    """The system and the data, for a headline."""
    return f"{report.model} on {report.data}" + (f" ({report.split})" if report.split else "")


def interval_note(report: Report) -> str:
    """One sentence on the basis of the intervals, or why there are none."""
    if report.clusters < 2:
        return "No intervals: all clips are of one speaker, which gives no information about others."
    unknown = report.clusters - report.speakers
    resampled = f"{report.resamples} resamples of {count(report.speakers, 'speaker')}"
    if unknown:
        resampled += f" and {count(unknown, 'clip')} of unknown speakers, each counted as a speaker of its own"
    if report.clusters < FEW_SPEAKERS:
        resampled += "; with so few speakers the intervals are coarse and too narrow"
    return f"{report.level:.0%} intervals by speaker, {resampled}."


def report_size(report: Report) -> str:
    """`240 clips, 4 speakers, 8 classes`: what the headline is over."""
    classes = f"{len(report.scores.per_class)} of {len(report.labels)} classes"
    return f"{count(report.scores.n, 'clip')}, {count(report.speakers, 'known speaker')}, {classes}"


def remarks(report: Report) -> list[str]:
    """Warnings for a reader of the headline, one sentence each."""
    notes = [interval_note(report)]
    if report.wer is not None:
        notes.append(f"Word error rate {report.wer:.3f} over {count(report.wer_transcripts, 'transcript')}.")
    elif report.transcripts_from == "given":
        notes.append("The system was given the transcripts of the data, so there is no word error rate.")
    if report.scores.unanswered:
        notes.append(
            f"Without an answer, and so wrong: {count(report.scores.unanswered, 'clip')} of {report.scores.n}."
        )
    if report.answer == "generate":
        counted = report.fallback or "no answer"
        notes.append(f"Text that named no label: {report.unnamed} of {report.scores.n}, counted as {counted}.")
    if report.confidence is not None and report.confidence.temperature != 1:
        notes.append(
            f"Probabilities are at temperature {temperature_text(report.confidence)}, which changes no answer."
        )
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
