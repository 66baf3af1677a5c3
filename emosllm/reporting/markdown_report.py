"""A `Report` as Markdown: the headline first, then the figures behind it, then how they were computed.

Fractions have three decimals, as in `report.json`; every figure is shown with its number of clips.
"""

from collections.abc import Iterable

from emosllm.evaluation.report import Report, count
from emosllm.reporting.evaluations import without_answers
from emosllm.reporting.markdown_blocks import escape, section_text, table_text
from emosllm.reporting.report_text import NAMES, definitions, remarks, report_size, with_interval
from emosllm.reporting.section_list import sections_beyond_scores


def markdown(report: Report) -> str:
    """The text of `report.md`."""
    return "\n\n".join(part for part in (_headline(report), *_tables(report), _how(report)) if part) + "\n"


def _headline(report: Report) -> str:
    figures = " · ".join(
        f"{'**' if name == 'ua' else ''}{title} {with_interval(getattr(report.scores, name), report.intervals[name])}"
        f"{'**' if name == 'ua' else ''}"
        for name, title in NAMES.items()
    )
    return f"# {escape(report.subject)}\n\n{figures}\n\n{report_size(report)}. {' '.join(map(escape, remarks(report)))}"


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
    yield from map(section_text, sections_beyond_scores([without_answers(report)]))


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
