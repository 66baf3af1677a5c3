"""The section on figures that could not be computed, with the reason of each."""

from collections.abc import Sequence

from emosllm.reporting.blocks import Section, Table
from emosllm.reporting.evaluations import Evaluation


def unmeasured(runs: Sequence[Evaluation]) -> Section | None:
    """The missing figures, and why they are missing."""
    rows = tuple((run.name, what, why) for run in runs for what, why in run.report.unmeasured.items())
    return Section("Not measured", (Table(("system", "what", "why"), rows),)) if rows else None
