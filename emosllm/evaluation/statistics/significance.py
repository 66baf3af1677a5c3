"""Significance of a difference between systems: McNemar's test, paired bootstrap by speaker, spread over seeds.

The three answer different questions. McNemar: do the two systems differ on these clips, if clips are independent?
Clips of one speaker are not, so its p is too small. Bootstrap: would the systems differ on other speakers? Seeds: would
they differ after another training? Not supported: corrections for multiple comparisons. Report their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emosllm.errors import UserError
from emosllm.evaluation.answers import Answers, paired
from emosllm.evaluation.metrics import Interval, encode
from emosllm.evaluation.statistics.bootstrap import FIGURES, figures_of, percentile_interval
from emosllm.evaluation.statistics.speaker_resamples import (
    merge_equal_rows,
    resampled_sums,
    resampling_units,
    sum_by_unit,
)
from emosllm.extras import extra


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of two systems on the same clips.

    Attributes:
        both: clips that both systems get right.
        only_first: clips that only the first gets right.
        only_second: clips that only the second gets right.
        neither: clips that both get wrong.
        p_exact: two-sided, from the binomial distribution; 1 where the systems never disagree.
        chi_square: with continuity correction, one degree of freedom; 0 where the systems never disagree.
        p_chi_square: of `chi_square`; not reliable below 25 disagreements.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    p_exact: float
    chi_square: float
    p_chi_square: float


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of one figure between two systems.

    Attributes:
        first: the figure of the first system.
        second: of the second.
        difference: `second - first`; above 0 the second system is better.
        interval: of the difference, by speaker; `None` for a single speaker.
        p: two-sided, that the difference is 0; `None` for a single speaker. Never below 1 / (resamples + 1) times 2.
    """

    first: float
    second: float
    difference: float
    interval: Interval | None
    p: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of two systems on the same clips.

    Attributes:
        first: name of the first system.
        second: name of the second system.
        n: clips.
        speakers: independent units among them: known speakers, and each clip of an unknown speaker.
        mcnemar: of the two.
        differences: `FIGURES` -> difference.
        resamples: number of resamples behind the intervals.
        seed: of the resampling.
        level: of the intervals.
    """

    first: str
    second: str
    n: int
    speakers: int
    mcnemar: McNemar
    differences: dict[str, Difference]
    resamples: int
    seed: int
    level: float


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """One figure over several trainings that differ by their seed.

    Attributes:
        n: trainings.
        mean: of the figure.
        sd: standard deviation of single trainings (with denominator n - 1); `None` for one.
        interval: of the mean, by Student's t; `None` for one training.
    """

    n: int
    mean: float
    sd: float | None
    interval: Interval | None


def compare(
    first: Answers, second: Answers, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> Comparison:
    """Run both tests on two systems on the same clips.

    Args:
        first: the baseline.
        second: the system that is compared with it.
        resamples: how many times the speakers are drawn.
        seed: of the draws.
        level: of the intervals.

    Raises:
        UserError: other clips, classes or references (see `paired`), nothing to compare, or scipy is not installed.
    """
    second = paired(first, second)
    true, one = encode(first.reference, first.predicted, first.labels)
    _, other = encode(first.reference, second.predicted, first.labels)
    units = resampling_units(first.speakers)
    point, draws = _paired_figures(true, one, other, units, len(first.labels), resamples, seed)
    differences = {
        name: difference_of(point[0, row], point[1, row], None if draws is None else draws[row], level)
        for row, name in enumerate(FIGURES)
    }
    test = mcnemar(first.correct, second.correct)
    speakers = int(units.max()) + 1
    return Comparison(first.name, second.name, len(first), speakers, test, differences, resamples, seed, level)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """McNemar's test, exact and by chi-square; statsmodels gives the same values.

    With equal numbers of disagreements each way the corrected statistic is 1 / disagreements and not 0, as in
    statsmodels. The exact p is then 1. Report the exact p.

    Args:
        first: whether the first system is right, by clip.
        second: whether the second is, on the same clips.

    Raises:
        UserError: the lengths differ, there are no clips, or scipy is not installed.

    Source:
        McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947);
        correction by Edwards, Psychometrika 13 (1948).
    """
    with extra("eval", "McNemar's test"):
        from scipy import stats
    if len(first) != len(second):
        raise UserError(f"{len(first)} clips of one system but {len(second)} of the other: the same clips are needed")
    if not len(first):
        raise UserError("nothing to compare: there are no clips")
    one, other = np.asarray(first, bool), np.asarray(second, bool)
    left, right = int((one & ~other).sum()), int((other & ~one).sum())
    exact, statistic = 1.0, 0.0
    if left + right:
        exact = float(stats.binomtest(left, left + right, 0.5).pvalue)
        statistic = (abs(left - right) - 1) ** 2 / (left + right)
    p = float(stats.chi2.sf(statistic, 1))
    return McNemar(int((one & other).sum()), left, right, int((~one & ~other).sum()), exact, statistic, p)


def seed_spread(values: Sequence[float], level: float = 0.95) -> SeedSpread:
    """Compute mean, standard deviation and interval over trainings.

    The interval is that of the mean over trainings on the same data, after Student. It covers no other speakers. To
    compare two systems trained with the same seeds, give their differences.

    Args:
        values: the same figure of each training.
        level: of the interval.

    Raises:
        UserError: no values, one that is not a finite number, or scipy is not installed.
    """
    with extra("eval", "an interval over seeds"):
        from scipy import stats
    numbers = np.asarray(values, float)
    if not numbers.size:
        raise UserError("no figure to average over seeds: give one per training")
    if not np.isfinite(numbers).all():
        raise UserError(f"cannot average over seeds: one of the figures is {numbers[~np.isfinite(numbers)][0]}")
    mean = float(numbers.mean())
    if numbers.size == 1:
        return SeedSpread(1, mean, None, None)
    sd = float(numbers.std(ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, numbers.size - 1)) * sd / numbers.size**0.5
    return SeedSpread(numbers.size, mean, sd, Interval(mean - half, mean + half))


def _paired_figures(
    true: np.ndarray, one: np.ndarray, other: np.ndarray, units: np.ndarray, classes: int, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """`FIGURES` of both systems `[2, F]`, and their differences in each resample `[F, R]` (`None`: one speaker)."""
    width = classes * (classes + 1)
    rows = np.concatenate([sum_by_unit(true * (classes + 1) + given, units, width) for given in (one, other)], axis=1)

    def figures(sums: np.ndarray) -> np.ndarray:
        return np.stack([figures_of(half.reshape(-1, classes, classes + 1)) for half in np.split(sums, 2, axis=1)])

    point = figures(rows.sum(axis=0, keepdims=True).astype(float))[..., 0]
    if len(rows) < 2:
        return point, None
    blocks = resampled_sums(*merge_equal_rows(rows), resamples, np.random.default_rng(seed))
    return point, np.concatenate([np.diff(figures(block), axis=0)[0] for block in blocks], axis=1)


def difference_of(first: float, second: float, draws: np.ndarray | None, level: float) -> Difference:
    """The difference of a figure between two systems, with its interval and p.

    The p is that of the smallest interval that contains 0 (Davison and Hinkley, Bootstrap Methods, 1997, ch. 4).

    Args:
        first: the figure of the first system.
        second: of the second.
        draws: the difference in each resample, `[R]`; `None` for a single speaker.
        level: of the interval.
    """
    first, second = float(first), float(second)
    if draws is None:
        return Difference(first, second, second - first, None, None)
    beyond = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (len(draws) + 1))
    return Difference(first, second, second - first, percentile_interval(draws, level), p)
