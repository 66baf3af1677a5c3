"""UA and WA by gender, speaker or language, the gap between groups, and confusions with neutral.

A gap is always above 0, even between groups that differ by chance. It is therefore reported with an interval that can
contain 0, and with the share of random regroupings that show at least the same gap. Not supported: causes. A group may
have lower figures because of its recordings or its classes (UA removes only the effect of class sizes).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from emosllm.errors import UserError
from emosllm.evaluation.answers import Answers, paired
from emosllm.evaluation.metrics import Interval, encode, score
from emosllm.evaluation.statistics.bootstrap import FIGURES, draw_figures, figures_of, percentile_interval
from emosllm.evaluation.statistics.speaker_resamples import BLOCK, resampling_units, sum_by_unit

Figure = Literal["ua", "wa"]


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """The figures of one group.

    Attributes:
        n: clips.
        speakers: independent units: known speakers, and each clip of an unknown speaker.
        classes: number of classes that occur; UA is over these.
        ua: unweighted accuracy.
        wa: weighted accuracy.
        ua_interval: by speaker; `None` for a single speaker.
        wa_interval: by speaker; `None` for a single speaker.
        compared: whether the group has enough clips to count in the gap.
    """

    n: int
    speakers: int
    classes: int
    ua: float
    wa: float
    ua_interval: Interval | None
    wa_interval: Interval | None
    compared: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """The difference between the best and the worst group with enough clips.

    Attributes:
        figure: `ua` or `wa`.
        best: the group with the highest figure.
        worst: the group with the lowest.
        value: the highest minus the lowest.
        interval: of the difference between these two groups, by speaker. It may contain 0. It does not correct for the
            choice of the two groups among several. `None` if one of them is a single speaker.
        p: the share of random regroupings of the speakers with at least this gap, under the hypothesis that groups do
            not differ. `None` if a speaker is in two groups or every group is a single speaker.
    """

    figure: Figure
    best: str
    worst: str
    value: float
    interval: Interval | None
    p: float | None


@dataclass(frozen=True, slots=True)
class Fairness:
    """All groups and the gap.

    Attributes:
        groups: name -> figures, in order of the names.
        gaps: `ua` and `wa` -> gap; `None` if fewer than two groups have enough clips.
        min_clips: the least number of clips that is enough.
        unknown: clips of an unknown group; no figure includes them.
    """

    groups: Mapping[str, GroupFigures]
    gaps: Mapping[Figure, Gap | None]
    min_clips: int
    unknown: int


@dataclass(frozen=True, slots=True)
class ConfusedWith:
    """Clips that one system gets right and the other wrong, and how many of them the other called by one name.

    Attributes:
        right: the system with the right answers.
        wrong: the system with the wrong answers.
        name: the class that it answered, such as `neutral`.
        by_class: true class -> (clips answered `name`, all such clips), for the classes other than `name`.
        called: clips answered `name`, over all classes.
        n: all such clips, including those of the class `name`.
    """

    right: str
    wrong: str
    name: str
    by_class: Mapping[str, tuple[int, int]]
    called: int
    n: int

    @property
    def share(self) -> float | None:
        """`called` divided by `n`; `None` if `n` is 0."""
        return self.called / self.n if self.n else None


def fairness(
    reference: Sequence[str],
    predicted: Sequence[str | None],
    groups: Sequence[str | None],
    speakers: Sequence[str | None],
    labels: Sequence[str],
    *,
    min_clips: int = 30,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Fairness:
    """Compute UA and WA of each group, and the gaps.

    Speakers are drawn within each group separately, so that groups keep their sizes. A speaker in two groups counts as
    two. For groups that are speakers, give `[None] * n` as `speakers`: the intervals are then over clips of the same
    people and do not generalise to others.

    Args:
        reference: the true class of each clip.
        predicted: the answers; `None` if there is none.
        groups: of each clip; `None` if unknown.
        speakers: `None` if unknown.
        labels: the classes.
        min_clips: groups with fewer clips have figures and are not compared. 30 is ASSUMED.
        resamples: of the speakers, and of the regroupings.
        seed: of both.
        level: of the intervals.

    Raises:
        UserError: for the reasons of `score`, if the lengths differ, or if no clip has a group.
    """
    if not len(reference) == len(predicted) == len(groups) == len(speakers):
        raise UserError("references, answers, groups and speakers differ in number: one of each per clip is needed")
    known = [i for i, group in enumerate(groups) if group is not None]
    if not known:
        raise UserError("there is nothing to compare: no clip has a group")
    figures, draws = {}, {}
    for place, name in enumerate(sorted({groups[i] or "" for i in known})):
        members = [i for i in known if groups[i] == name]
        clips = [[side[i] for i in members] for side in (reference, predicted, speakers)]
        rng = np.random.default_rng([seed, 0, place])
        draws[name] = draw_figures(clips[0], clips[1], clips[2], labels, resamples=resamples, rng=rng)  # type: ignore[arg-type]
        figures[name] = _group(clips, draws[name], labels, min_clips, level)
    compared = [name for name, group in figures.items() if group.compared]
    gaps: dict[Figure, Gap | None] = {"ua": None, "wa": None}
    if len(compared) > 1:
        inside = [i for i in known if groups[i] in compared]
        rows = [[side[i] for i in inside] for side in (reference, predicted, groups, speakers)]
        chance = _regrouped_gaps(rows, labels, resamples, seed)
        for figure in gaps:
            gaps[figure] = _gap(figure, {name: figures[name] for name in compared}, draws, chance, level)
    return Fairness(figures, gaps, min_clips, len(groups) - len(known))


def confused_with(first: Answers, second: Answers, name: str = "neutral") -> tuple[ConfusedWith, ConfusedWith]:
    """AA-SLLM's table: of the clips one system gets right and the other wrong, how many the other called neutral.

    Args:
        first: a system.
        second: another system, on the same clips.
        name: the class that is counted.

    Returns:
        The counts where the first is right and the second wrong, and the reverse.

    Raises:
        UserError: the clips, classes or references differ (see `paired`), or `name` is not a class.

    Source:
        AA-SLLM, section 3.3.3 and table 3: 820 of 1168 (70.21 %) without acoustic features, 327 of 1031 (31.72 %) with.
    """
    second = paired(first, second)
    if name not in first.labels:
        raise UserError(f"{name} is not among the labels {', '.join(first.labels)}")
    return _count_confused(first, second, name), _count_confused(second, first, name)


def _count_confused(right: Answers, wrong: Answers, name: str) -> ConfusedWith:
    table = {label: (0, 0) for label in right.labels if label in set(right.reference) - {name}}
    everything = 0
    for true, good, answer in zip(right.reference, right.correct, wrong.predicted, strict=True):
        if good and answer != true:
            everything += 1
            if true != name:
                called, clips = table[true]
                table[true] = (called + (answer == name), clips + 1)
    return ConfusedWith(right.name, wrong.name, name, table, sum(called for called, _ in table.values()), everything)


def _group(
    clips: Sequence[Sequence], draws: np.ndarray | None, labels: Sequence[str], min_clips: int, level: float
) -> GroupFigures:
    reference, predicted, speakers = clips
    scores = score(reference, predicted, labels)
    intervals = {
        name: None if draws is None else percentile_interval(draws[FIGURES.index(name)], level) for name in ("ua", "wa")
    }
    return GroupFigures(
        n=scores.n,
        speakers=int(resampling_units(speakers).max()) + 1,
        classes=len(scores.per_class),
        ua=scores.ua,
        wa=scores.wa,
        ua_interval=intervals["ua"],
        wa_interval=intervals["wa"],
        compared=scores.n >= min_clips,
    )


def _gap(
    figure: Figure,
    groups: Mapping[str, GroupFigures],
    draws: Mapping[str, np.ndarray | None],
    chance: np.ndarray | None,
    level: float,
) -> Gap:
    values: dict[str, float] = {name: getattr(group, figure) for name, group in groups.items()}
    best, worst = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    value, row = values[best] - values[worst], FIGURES.index(figure)
    high, low = draws[best], draws[worst]
    interval = None if high is None or low is None else percentile_interval(high[row] - low[row], level)
    p = None
    if chance is not None:
        # The actual grouping is one of the possible ones, so p is never 0.
        p = (1 + int((chance[row] >= value - 1e-12).sum())) / (1 + chance.shape[1])
    return Gap(figure, best, worst, value, interval, p)


def _regrouped_gaps(rows: Sequence[Sequence], labels: Sequence[str], resamples: int, seed: int) -> np.ndarray | None:
    """Gaps of `FIGURES` with speakers assigned to groups at random; groups keep their number of speakers `[F, R]`."""
    reference, predicted, groups, speakers = rows
    true, answers = encode(reference, predicted, labels)
    units, kinds = resampling_units(speakers), resampling_units(groups)
    homes = set(zip(units.tolist(), kinds.tolist(), strict=True))
    units_n, kinds_n = int(units.max()) + 1, int(kinds.max()) + 1
    if len(homes) > units_n or units_n <= kinds_n:
        return None
    classes = len(labels)
    matrices = sum_by_unit(true * (classes + 1) + answers, units, classes * (classes + 1)).astype(float)
    group_of_unit = np.empty(units_n, dtype=np.intp)
    for unit, kind in homes:
        group_of_unit[unit] = kind
    by_kind = np.argsort(group_of_unit, kind="stable")
    starts = np.searchsorted(group_of_unit[by_kind], np.arange(kinds_n))
    rng = np.random.default_rng([seed, 1])
    gaps = []
    step = max(1, BLOCK // (kinds_n * matrices.shape[1]))
    for start in range(0, resamples, step):
        deals = range(min(step, resamples - start))
        dealt = np.stack(
            [np.add.reduceat(matrices[_inverse(rng.permutation(units_n))[by_kind]], starts) for _ in deals]
        )
        figures = figures_of(dealt.reshape(-1, classes, classes + 1))
        gaps.append(np.ptp(figures.reshape(len(figures), len(deals), kinds_n), axis=2))
    return np.concatenate(gaps, axis=1)


def _inverse(order: np.ndarray) -> np.ndarray:
    """The new position of each element of a permutation `[N]`."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places
