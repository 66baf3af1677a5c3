"""A `Report` as Markdown: the headline first, then what it is made of, then how it was computed.

Fractions with three decimals everywhere, as in `report.json`; every figure beside its number of clips.
"""

from collections.abc import Iterable

from emosllm.evaluation.comparing import without_answers
from emosllm.evaluation.content_more import more_sections
from emosllm.evaluation.markdown_blocks import escape, section_text, table_text
from emosllm.evaluation.metrics import Interval
from emosllm.evaluation.readings import METHOD
from emosllm.evaluation.results import Report, count
from emosllm.evaluation.selective import Selective

#: Figure -> how tables call it, most telling first.
NAMES = {"ua": "UA", "wa": "WA", "macro_f1": "macro F1", "weighted_f1": "weighted F1"}


def markdown(report: Report) -> str:
    """The whole of `report.md`."""
    return "\n\n".join(part for part in (_headline(report), *_tables(report), _how(report)) if part) + "\n"


def with_interval(value: float, interval: Interval | None) -> str:
    """`0.523 [0.481, 0.567]`."""
    return f"{value:.3f}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval else "")


def size(report: Report) -> str:
    """`240 clips, 4 speakers, 8 classes`: what the headline is over."""
    classes = f"{len(report.scores.per_class)} of {len(report.labels)} classes"
    return f"{count(report.scores.n, 'clip')}, {count(report.speakers, 'known speaker')}, {classes}"


def remarks(report: Report) -> list[str]:
    """What a reader must know before believing the headline; a sentence each."""
    notes = [report.interval_note]
    if report.scores.unanswered:
        notes.append(
            f"Without an answer, and so wrong: {count(report.scores.unanswered, 'clip')} of {report.scores.n}."
        )
    if report.answer == "generate":
        counted = report.fallback or "no answer"
        notes.append(f"Text that named no label: {report.unnamed} of {report.scores.n}, counted as {counted}.")
    if report.confidence is not None and report.confidence.temperature != 1:
        notes.append(f"Probabilities are at temperature {report.confidence.warmth}; no answer changes by it.")
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
        notes.append(f"Nobody speaks {', '.join(report.silent_classes)}; UA and F1 are over the other classes.")
    return notes


def _selective(found: Selective) -> str:
    """What remains where the system may abstain."""
    kept = f"Answering only with a confidence of {found.threshold:g} or more: {found.covered} of {found.n} clips"
    if found.scores is None:
        return f"{kept}, so nothing."
    figures = f"UA {found.scores.ua:.3f} (classes left: {len(found.scores.per_class)}), WA {found.scores.wa:.3f}"
    return f"{kept} ({found.coverage:.1%}), {figures}."


def _headline(report: Report) -> str:
    figures = " · ".join(
        f"{'**' if name == 'ua' else ''}{title} {with_interval(getattr(report.scores, name), report.intervals[name])}"
        f"{'**' if name == 'ua' else ''}"
        for name, title in NAMES.items()
    )
    return f"# {escape(report.subject)}\n\n{figures}\n\n{size(report)}. {' '.join(map(escape, remarks(report)))}"


def _tables(report: Report) -> Iterable[str]:
    scores = report.scores
    if len(report.by_corpus) > 1:
        yield "## Corpora\n\n" + table_text(
            ("corpus", "UA", "WA", "classes", "speakers", "clips"),
            [
                (name, with_interval(g.ua, g.ua_interval), f"{g.wa:.3f}", g.classes, g.speakers, g.n)
                for name, g in report.by_corpus.items()
            ],
        )
    yield "## Classes\n\n" + table_text(
        ("class", "recall", "precision", "F1", "clips"),
        [(c.name, f"{c.recall:.3f}", f"{c.precision:.3f}", f"{c.f1:.3f}", c.support) for c in scores.per_class],
    )
    yield "## Confusions\n\nClips; a row is what was spoken, a column what was answered.\n\n" + table_text(
        ("", *scores.labels, "no answer", "all"),
        [
            (f"**{name}**", *(f"**{n}**" if i == j else n for j, n in enumerate(row)), sum(row))
            for i, (name, row) in enumerate(zip(scores.labels, scores.confusion, strict=True))
            if sum(row)
        ],
    )
    if report.wer is not None:
        yield f"## Transcripts\n\nWord error rate {report.wer:.3f} over {count(report.wer_transcripts, 'transcript')}."
    elif report.transcripts_from == "given":
        yield "## Transcripts\n\nThe system was given the transcripts of the data, so there is no word error rate."
    yield from map(section_text, more_sections([without_answers(report)]))


def _how(report: Report) -> str:
    merged = ", ".join(f"{finer} as {name}" for finer, name in report.merges.items())
    lines = [
        f"Label set `{report.label_set}`: {', '.join(report.labels)}" + (f"; {merged}." if merged else "."),
        f"Inference strategy: `{report.strategy}`." if report.strategy else "",
        *definitions(report),
        f"Predicting took {report.seconds:.1f} s." if report.seconds else "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in report.versions.items()) + ".",
    ]
    return "## How this was computed\n\n" + "\n".join(f"- {line}" for line in lines if line)


def definitions(report: Report) -> list[str]:
    """What the figures mean; a sentence each."""
    lines = [
        "UA, unweighted accuracy: the mean recall of the classes that somebody speaks.",
        "WA, weighted accuracy: the share of clips answered rightly.",
        "F1 of a class: 2 hits / (its clips + clips called so), as in scikit-learn; macro is the mean over the same "
        "classes as UA, weighted is weighted by their clips.",
        "No answer (an unreadable recording, a text that names no class) is wrong, never dropped.",
        f"Intervals: percentile bootstrap over speakers ({report.resamples} resamples, seed {report.seed}, level "
        f"{report.level:g}), after Bisani and Ney (ICASSP 2004). They say what other speakers might give, not what "
        "another training would.",
    ]
    if report.wer is not None:
        lines.append(
            "Word error rate: substitutions, deletions and insertions per word spoken, over all clips with a "
            "transcript, in lower case without punctuation."
        )
    return lines
