"""Sections beyond the answers: confidence, abstention, groups of people, raters' votes, spoilt recordings."""

from collections.abc import Sequence

from emosllm.evaluation.abstention import risk_coverage
from emosllm.evaluation.calibration import Calibration
from emosllm.evaluation.report import count
from emosllm.reporting.blocks import Block, Cell, Number, Picture, Section, Table, key_of, p_text
from emosllm.reporting.evaluations import Evaluation
from emosllm.reporting.sections.dimensions import dimensions

#: With more groups than this (speakers, that is) only the ends are listed.
MANY_GROUPS = 24
_ENDS = 6


def more_sections(runs: Sequence[Evaluation]) -> list[Section]:
    """Those that any of the evaluations has."""
    kinds = (confidence, abstention, groups, votes, dimensions, robustness, unmeasured)
    return [section for kind in kinds if (section := kind(runs)) is not None]


def confidence(runs: Sequence[Evaluation]) -> Section | None:
    """Calibration, before and after a temperature."""
    series: dict[str, Calibration] = {}
    rows: list[tuple[Cell, ...]] = []
    several = len(runs) > 1
    for run in runs:
        found = run.report.confidence
        if found is None:
            continue
        sides = {"as_given": found.as_given, "calibration": found.calibration}
        for side, each in sides.items():
            if each is None:
                continue
            at = f"confidence/{side}"
            warmth = 1.0 if side == "as_given" else found.temperature
            told = "T of each fold" if warmth is None else f"T = {warmth:.2f}"
            name = told if found.as_given else "as given"
            name = f"{run.name}, {name}" if several else name
            if not (several and side == "as_given"):
                series[name] = each
            figures = [run.figure(f"{at}/{key}") for key in ("accuracy", "confidence", "ece", "ece_equal_mass")]
            rows.append((name, *figures, *(run.figure(f"{at}/{key}") for key in ("brier", "nll")), each.n))
    if not rows:
        return None
    head = ("", "accuracy", "confidence", "ECE", "ECE, equal mass", "Brier", "NLL", "clips")
    text = (
        "Do probabilities mean what they say? ECE is the mean gap between confidence and accuracy over 15 bins, Brier "
        "the squared distance of probabilities and truth (0 is best, 2 worst), NLL in nats. A temperature T above 1 "
        "makes a system less sure of itself; it changes no answer."
    )

    def draw() -> object:
        from emosllm.reporting.plots import draw_reliability

        return draw_reliability(series, "")

    caption = "Reliability: the share that is right over confidence; on the diagonal, probabilities mean what they say."
    return Section("Calibration", (Picture(draw, caption), Table(head, tuple(rows))), (text,))


def abstention(runs: Sequence[Evaluation]) -> Section | None:
    """Risk and coverage, and what remains at a threshold."""
    sure = [run for run in runs if run.report.confidence is not None]
    if not sure:
        return None
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (run.name, *(run.figure(f"confidence/{key}") for key in ("aurc", "aurc_best", "aurc_random"))) for run in sure
    )
    blocks: list[Block] = [_curves(sure), Table(("", "AURC", "best possible", "at random"), rows)]
    kept = []
    for run in runs:
        found = run.report.selective
        if found is None:
            continue
        scores: list[Number] = [Number(None)] * 2
        if found.scores is not None:
            scores = [run.figure(f"selective/scores/{name}") for name in ("ua", "wa")]
        classes = 0 if found.scores is None else len(found.scores.per_class)
        cells: tuple[Cell, ...] = (run.figure("selective/threshold", places=2), found.covered, found.n)
        kept.append((run.name, *cells, Number(found.coverage), *scores, classes))
    if kept:
        head = ("", "least confidence", "answered", "of", "coverage", "UA of those", "WA of those", "classes left")
        note = "UA and WA are over what is answered; every other figure of this page is over all clips."
        blocks.append(Table(head, tuple(kept), "Answering only when sure", note))
    text = "What share of answers is wrong if only the surest are given; AURC is the area under that curve."
    return Section("Abstention", tuple(blocks), (text,))


def groups(runs: Sequence[Evaluation]) -> Section | None:
    """UA and WA by gender, language and speaker, and the gap."""
    blocks = [
        _groups(run, group, f"{group}, {run.name}" if len(runs) > 1 else group)
        for group in ("gender", "language", "speaker")
        for run in runs
        if group in run.report.fairness
    ]
    if not blocks:
        return None
    text = (
        "Whom a system serves worse. A gap is above 0 even by chance: its interval is of the best against the worst "
        "group, and p is the share of random regroupings that show as large a gap. A group may be served worse since "
        "its recordings are, or since it speaks other classes."
    )
    return Section("Groups", tuple(blocks), (text,))


def votes(runs: Sequence[Evaluation]) -> Section | None:
    """Against raters' votes."""
    keys = ("jensen_shannon", "kl", "cross_entropy", "accuracy", "agreement")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (run.name, *(run.figure(f"soft/{key}") for key in keys), run.report.soft.n, run.report.soft.ties)
        for run in runs
        if run.report.soft is not None
    )
    if not rows:
        return None
    head = ("", "Jensen-Shannon, bits", "KL, nats", "cross-entropy, nats", "accuracy", "agreement", "clips", "ties")
    note = "Accuracy: the answer is one of the raters' most frequent; agreement: the share of raters who would nod."
    return Section("Raters' votes", (Table(head, rows, note=note),))


def robustness(runs: Sequence[Evaluation]) -> Section | None:
    """UA on spoilt recordings, as curves and as a table."""
    swept = {run.name: run.report.robustness for run in runs if run.report.robustness is not None}
    if not swept:
        return None
    shapes = {tuple((point.condition, point.severity) for point in each.points) for each in swept.values()}

    def draw() -> object:
        from emosllm.reporting.plots import draw_robustness

        return draw_robustness(swept, "")

    caption = "UA by condition and severity, with intervals by speaker; the dotted line is the clean recordings."
    drawable = len(shapes) == 1 and next(iter(shapes))
    blocks: list[Block] = [Picture(draw, caption, wide=True)] if drawable else []
    for run in runs:
        if run.report.robustness is not None:
            blocks.append(_spoilt(run, run.name if len(runs) > 1 else ""))
    skipped = [
        f"{name}: {each} was not made, since {why}." for name, s in swept.items() for each, why in s.skipped.items()
    ]
    text = "The same recordings, spoilt: UA, and its change against the clean ones with an interval by speaker."
    return Section("Robustness", tuple(blocks), (text, *skipped))


def unmeasured(runs: Sequence[Evaluation]) -> Section | None:
    """What is not there, and why."""
    rows = tuple((run.name, what, why) for run in runs for what, why in run.report.unmeasured.items())
    return Section("Not measured", (Table(("system", "what", "why"), rows),)) if rows else None


def _curves(runs: Sequence[Evaluation]) -> Picture:
    def draw() -> object:
        from emosllm.reporting.plots import draw_risk_coverage

        sides = {run.name: run.answers for run in runs}
        curves = {name: risk_coverage(a.reference, a.predicted, a.confidences) for name, a in sides.items()}
        return draw_risk_coverage(curves, "")

    return Picture(draw, "Risk and coverage: the share of answers that is wrong among the surest ones.")


def _groups(run: Evaluation, group: str, title: str) -> Table:
    found = run.report.fairness[group]
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
            run.figure(f"{at}/{key}", f"{at}/{key}_interval", bar=entry.compared and key == "ua")
            for key in ("ua", "wa")
        ]
        called = name if entry.compared else f"{name} (few clips)"
        # Speakers have no others to draw, so a speaker's units are clips.
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


def _spoilt(run: Evaluation, title: str) -> Table:
    found = run.report.robustness
    assert found is not None
    clean = run.figure("robustness/clean/ua", "robustness/clean/ua_interval", bar=True)
    rows: list[tuple[Cell, ...]] = [("clean", "", clean, Number(None), "–", found.clean.unanswered)]
    for place, point in enumerate(found.points):
        at = f"robustness/points/{place}"
        change = run.figure(f"{at}/ua_change/difference", f"{at}/ua_change/interval", signed=True)
        p = point.ua_change.p if point.ua_change else None
        severity = "" if point.severity is None else f"{point.severity:g} {found.units[point.condition]}"
        figure = run.figure(f"{at}/ua", f"{at}/ua_interval", bar=True)
        rows.append((point.condition, severity, figure, change, p_text(p), point.unanswered))
    note = f"Over {count(found.clean.n, 'clip')}; seed {found.seed}, {found.resamples} resamples."
    return Table(("condition", "severity", "UA", "change", "p", "no answer"), tuple(rows), title, note)
