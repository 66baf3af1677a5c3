"""The section on corpora: the headline figures of each corpus."""

from emosllm.reporting.blocks import Section, Table, key_of
from emosllm.reporting.evaluations import ComparedEvaluations


def corpora(compared: ComparedEvaluations) -> Section | None:
    """The headline corpus by corpus; `None` where there is one."""
    evaluations = [each for each in compared.evaluations if len(each.report.by_corpus) > 1]
    tables = []
    for evaluation in evaluations:
        rows = []
        for name, group in evaluation.report.by_corpus.items():
            at = f"by_corpus/{key_of(name)}"
            figures = (evaluation.figure(f"{at}/ua", f"{at}/ua_interval", bar=True), evaluation.figure(f"{at}/wa"))
            rows.append((name, *figures, group.classes, group.speakers, group.n))
        title = evaluation.name if compared.several else ""
        tables.append(Table(("corpus", "UA", "WA", "classes", "speakers", "clips"), tuple(rows), title))
    return Section("Corpora", tuple(tables)) if tables else None
