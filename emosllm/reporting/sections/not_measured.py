"""The section on figures that could not be computed, with the reason of each."""

from emosllm.reporting.blocks import Section, Table
from emosllm.reporting.evaluations import ComparedEvaluations


def not_measured(compared: ComparedEvaluations) -> Section | None:
    """The missing figures, and why they are missing."""
    rows = tuple(
        (evaluation.name, what, why)
        for evaluation in compared.evaluations
        for what, why in evaluation.report.unmeasured.items()
    )
    return Section("Not measured", (Table(("system", "what", "why"), rows),)) if rows else None
