"""A `Report` as Markdown: the headline first, then what it is made of, then how it was computed.

Fractions with three decimals everywhere, as in `report.json`; every figure beside its number of clips.
"""

from collections.abc import Iterable, Sequence

from emosllm.evaluation.metrics import Interval
from emosllm.evaluation.results import Report, count

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
    if report.errors:
        notes.append(f"{count(report.errors, 'recording')} could not be read.")
    if report.left_out:
        listed = ", ".join(f"{clips} {name}" for name, clips in report.left_out.items())
        total = count(sum(report.left_out.values()), "clip")
        notes.append(f"{total} left out, since {report.label_set} has no class for them ({listed}).")
    if report.silent_classes:
        notes.append(f"Nobody speaks {', '.join(report.silent_classes)}; UA and F1 are over the other classes.")
    return notes


def _headline(report: Report) -> str:
    figures = " · ".join(
        f"{'**' if name == 'ua' else ''}{title} {with_interval(getattr(report.scores, name), report.intervals[name])}"
        f"{'**' if name == 'ua' else ''}"
        for name, title in NAMES.items()
    )
    return f"# {_escape(report.subject)}\n\n{figures}\n\n{size(report)}. {' '.join(map(_escape, remarks(report)))}"


def _tables(report: Report) -> Iterable[str]:
    scores = report.scores
    if len(report.by_corpus) > 1:
        yield "## Corpora\n\n" + _table(
            ("corpus", "UA", "WA", "classes", "speakers", "clips"),
            [
                (name, with_interval(g.ua, g.ua_interval), f"{g.wa:.3f}", g.classes, g.speakers, g.n)
                for name, g in report.by_corpus.items()
            ],
        )
    yield "## Classes\n\n" + _table(
        ("class", "recall", "precision", "F1", "clips"),
        [(c.name, f"{c.recall:.3f}", f"{c.precision:.3f}", f"{c.f1:.3f}", c.support) for c in scores.per_class],
    )
    yield "## Confusions\n\nClips; a row is what was spoken, a column what was answered.\n\n" + _table(
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


def _how(report: Report) -> str:
    merged = ", ".join(f"{finer} as {name}" for finer, name in report.merges.items())
    lines = [
        f"Label set `{report.label_set}`: {', '.join(report.labels)}" + (f"; {merged}." if merged else "."),
        f"Inference strategy: `{report.strategy}`." if report.strategy else "",
        "UA, unweighted accuracy: the mean recall of the classes that somebody speaks.",
        "WA, weighted accuracy: the share of clips answered rightly.",
        "F1 of a class: 2 hits / (its clips + clips called so), as in scikit-learn; macro is the mean over the same "
        "classes as UA, weighted is weighted by their clips.",
        "No answer (an unreadable recording, a text that names no class) is wrong, never dropped.",
        f"Intervals: percentile bootstrap over speakers ({report.resamples} resamples, seed {report.seed}, level "
        f"{report.level:g}), after Bisani and Ney (ICASSP 2004). They say what other speakers might give, not what "
        "another training would.",
        "Word error rate: substitutions, deletions and insertions per word spoken, over all clips with a transcript, "
        "in lower case without punctuation."
        if report.wer is not None
        else "",
        f"Predicting took {report.seconds:.1f} s." if report.seconds else "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in report.versions.items()) + ".",
    ]
    return "## How this was computed\n\n" + "\n".join(f"- {line}" for line in lines if line)


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table, its first column to the left and the others to the right, padded so that it reads well as text too."""
    cells = [[_escape(str(cell)) for cell in row] for row in (head, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(head))]
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in cells
    ]
    ruler = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (lines[0], ruler, *lines[1:]))


def _escape(text: str) -> str:
    """Corpora and files have names of their own; a bar or a line end must not break a table."""
    return " ".join(text.split()).replace("|", r"\|").replace("_", r"\_").replace("<", "&lt;")
