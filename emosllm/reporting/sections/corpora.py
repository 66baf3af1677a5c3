"""The section on corpora: the headline figures of each corpus."""

from emosllm.reporting.blocks import Section, Table, key_of
from emosllm.reporting.evaluations import SideBySide


def corpora(side: SideBySide) -> Section | None:
    """The headline figures of each corpus; `None` if there is only one."""
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
