"""The section on fairness: UA and WA by gender, language and speaker, and the gap between groups."""

from emosllm.reporting.blocks import Cell, Number, Section, Table, key_of, p_text
from emosllm.reporting.evaluations import ComparedEvaluations, Evaluation
from emosllm.reporting.report_text import count

#: With more groups than this (of speakers), only the best and the worst are listed.
MANY_GROUPS = 24
_ENDS = 6


def fairness(compared: ComparedEvaluations) -> Section | None:
    """UA and WA by gender, language and speaker, and the gap."""
    blocks = [
        _groups(evaluation, group, f"{group}, {evaluation.name}" if compared.several else group)
        for group in ("gender", "language", "speaker")
        for evaluation in compared.evaluations
        if group in evaluation.report.fairness
    ]
    if not blocks:
        return None
    text = (
        "Differences between groups of speakers. A gap is above 0 even by chance: its interval is of the best against "
        "the worst group, and p is the share of random regroupings with at least the same gap. A group may have lower "
        "figures because of its recordings or its classes."
    )
    return Section("Groups", tuple(blocks), (text,))


def _groups(evaluation: Evaluation, group: str, title: str) -> Table:
    found = evaluation.report.fairness[group]
    names = list(found.groups)
    few = ""
    if len(names) > MANY_GROUPS:
        ranked = sorted((name for name in names if found.groups[name].compared), key=lambda name: found.groups[name].ua)
        names = [*ranked[:_ENDS], *ranked[-_ENDS:]] if len(ranked) > 2 * _ENDS else ranked
        few = f" Of {len(found.groups)} groups the {len(names)} worst and best with enough clips are listed."
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        entry, at = found.groups[name], f"fairness/{group}/groups/{key_of(name)}"
        figures = [
            evaluation.figure(f"{at}/{key}", f"{at}/{key}_interval", bar=entry.compared and key == "ua")
            for key in ("ua", "wa")
        ]
        called = name if entry.compared else f"{name} (few clips)"
        # A group that is a speaker has no other speakers, so its units are clips.
        units = () if group == "speaker" else (entry.speakers,)
        rows.append((called, *figures, entry.classes, *units, entry.n))
    notes = []
    for key, gap in found.gaps.items():
        if gap is not None:
            hold = Number(gap.value, gap.interval)
            ends = f" {hold.interval_text}" if gap.interval else ""
            notes.append(f"{key.upper()} gap {gap.best} − {gap.worst}: {hold.text}{ends}, p = {p_text(gap.p)}.")
    if not notes:
        notes.append(f"No gap: fewer than two groups have {found.min_clips} clips.")
    if found.unknown:
        notes.append(f"{count(found.unknown, 'clip')} of unknown {group} are in no group.")
    head = (group, "UA", "WA", "classes", *(() if group == "speaker" else ("speakers",)), "clips")
    return Table(head, tuple(rows), f"By {title}", " ".join(notes) + few)
