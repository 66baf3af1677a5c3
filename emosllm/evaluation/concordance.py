"""Concordance correlation coefficient (CCC) of valence, arousal and dominance, with its interval by speaker.

CCC is 1 only if the predictions equal the reference. Unlike Pearson's r, it falls with a wrong mean or a wrong spread.
Not supported: the mean of scores per speaker, which some challenges report under the same name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emosllm.errors import UserError
from emosllm.evaluation.metrics import Interval
from emosllm.evaluation.statistics.bootstrap import percentile_interval
from emosllm.evaluation.statistics.significance import Difference, difference_of
from emosllm.evaluation.statistics.speaker_resamples import resampled_sums, resampling_units


@dataclass(frozen=True, slots=True)
class Concordance:
    """Predicted values of one dimension against the raters' values.

    Attributes:
        n: clips with both values.
        left_out: clips without a reference value.
        unanswered: clips with a reference value and no prediction. No figure includes them, so report this number too.
        speakers: independent units among the `n`: known speakers, and each clip of an unknown speaker.
        ccc: -1..1; `None` if both sides are the same constant.
        pearson: -1..1; `None` if one side is constant.
        mean_error: predicted minus reference, in the reference's units.
        interval: of `ccc`, by speaker; `None` for a single speaker or if `ccc` is `None`.
    """

    n: int
    left_out: int
    unanswered: int
    speakers: int
    ccc: float | None
    pearson: float | None
    mean_error: float
    interval: Interval | None


def concordance(
    reference: Sequence[float | None],
    predicted: Sequence[float | None],
    speakers: Sequence[str | None],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Concordance:
    """Compute the CCC of one dimension, with variances over n (not n - 1), as Lin defines it.

    Args:
        reference: of each clip, in any unit; `None` if it has no rating.
        predicted: in the same unit; `None` if there is no answer.
        speakers: `None` if unknown.
        resamples: how many times the speakers are drawn; draws without variance are skipped.
        seed: of the draws.
        level: of the interval.

    Raises:
        UserError: the lengths differ, no clip has both values, or a value is not a finite number.

    Source:
        Lin, A concordance correlation coefficient to evaluate reproducibility, Biometrics 45 (1989).
    """
    if not len(reference) == len(predicted) == len(speakers):
        raise UserError(
            f"{len(reference)} values, {len(predicted)} answers, {len(speakers)} speakers: one each per clip"
        )
    rated = [row for row in zip(reference, predicted, speakers, strict=True) if row[0] is not None]
    kept = [row for row in rated if row[1] is not None]
    if not kept:
        raise UserError("nothing to score: no clip has both a reference value and an answer")
    values = np.array([(true, given) for true, given, _ in kept], float)
    if not np.isfinite(values).all():
        raise UserError(f"a value is {values[~np.isfinite(values)][0]}: finite numbers are needed, None where unknown")
    units = resampling_units([who for _, _, who in kept])
    # Centre the values near 0; otherwise the sums of squares lose the digits of the variances.
    x, y = (values - values[:, :1].mean()).T
    rows = np.zeros((int(units.max()) + 1, 6))
    np.add.at(rows, units, _products(x, y))
    ccc, pearson = (_or_none(each[0]) for each in _coefficients(rows.sum(axis=0, keepdims=True)))
    interval = None
    if len(rows) > 1 and ccc is not None:
        counts = np.ones(len(rows), dtype=int)
        blocks = resampled_sums(rows, counts, resamples, np.random.default_rng(seed))
        draws = np.concatenate([_coefficients(block)[0] for block in blocks])
        draws = draws[np.isfinite(draws)]
        interval = percentile_interval(draws, level) if draws.size else None
    return Concordance(
        n=len(kept),
        left_out=len(reference) - len(rated),
        unanswered=len(rated) - len(kept),
        speakers=len(rows),
        ccc=ccc,
        pearson=pearson,
        mean_error=float((y - x).mean()),
        interval=interval,
    )


def ccc(reference: Sequence[float], predicted: Sequence[float]) -> float | None:
    """Compute the coefficient alone, of clips with both values; `None` if both sides are the same constant."""
    x, y = np.asarray(reference, float), np.asarray(predicted, float)
    sums = _products(x - x.mean(), y - x.mean()).sum(axis=0, keepdims=True)
    return _or_none(_coefficients(sums)[0][0])


def concordance_difference(
    reference: Sequence[float],
    first: Sequence[float],
    second: Sequence[float],
    speakers: Sequence[str | None],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """Compare the CCC of two systems on the same clips by a paired bootstrap over speakers.

    Args:
        reference: of each clip.
        first: the first system's values.
        second: the second system's values.
        speakers: `None` if unknown.
        resamples: how many times the speakers are drawn; draws without variance are skipped.
        seed: of the draws.
        level: of the interval.

    Raises:
        UserError: a coefficient is not defined, since both sides are the same constant.
    """
    units = resampling_units(speakers)
    centre = np.mean(reference)
    x, one, other = (np.asarray(values, float) - centre for values in (reference, first, second))
    rows = np.zeros((int(units.max()) + 1, 12))
    np.add.at(rows, units, np.concatenate([_products(x, one), _products(x, other)], axis=1))

    def both_coefficients(sums: np.ndarray) -> np.ndarray:
        return np.stack([_coefficients(half)[0] for half in np.split(sums, 2, axis=1)])

    point = both_coefficients(rows.sum(axis=0, keepdims=True))[:, 0]
    if not np.isfinite(point).all():
        raise UserError("no difference of CCC: the raters and one system have the same constant value")
    draws = None
    if len(rows) > 1:
        counts = np.ones(len(rows), dtype=int)
        blocks = resampled_sums(rows, counts, resamples, np.random.default_rng(seed))
        draws = np.concatenate([np.diff(both_coefficients(block), axis=0)[0] for block in blocks])
        draws = draws[np.isfinite(draws)]
    return difference_of(point[0], point[1], draws if draws is not None and draws.size else None, level)


def _products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The terms that are summed over clips, `[n, 6]`: 1, x, y, x², y², xy."""
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)


def _coefficients(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CCC and Pearson's r of many sets of clips, `[R]` each; NaN if undefined.

    Args:
        sums: of 1, x, y, x², y², xy over the clips of each set, `[R, 6]`.
    """
    n, x, y, xx, yy, xy = sums.T
    mean_x, mean_y = x / n, y / n
    # Rounding leaves about 1e-16 of a variance that is 0.
    noise = 1e-12 * (xx + yy) / n
    var_x, var_y = (np.where(var > noise, var, 0) for var in (xx / n - mean_x**2, yy / n - mean_y**2))
    both = np.where((var_x > 0) & (var_y > 0), xy / n - mean_x * mean_y, 0)
    apart = np.where(np.abs(mean_x - mean_y) ** 2 > noise, (mean_x - mean_y) ** 2, 0)
    below = var_x + var_y + apart
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(2 * both / below, -1, 1), np.clip(both / np.sqrt(var_x * var_y), -1, 1)


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
