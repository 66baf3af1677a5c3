"""Calibration of probabilities: a temperature fitted on validation, ECE, Brier score, NLL and the reliability table.

Clips without an answer have no probabilities. They are left out here and counted; no probabilities are assumed for
them. Probabilities are read as `predictions.jsonl` stores them, with four decimals; a value below `FLOOR` counts as
`FLOOR`. Not supported: calibration per class, and methods with more parameters than one temperature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from emosllm.errors import UserError
from emosllm.extras import extra
from emosllm.utterance import Prediction

#: Half of the last decimal that is stored on disk. It keeps the logarithm of a rounded 0 finite.
FLOOR = 5e-5

#: The range in which a temperature is searched.
TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class Temperature:
    """A temperature, and its effect on the clips that it was fitted on.

    Attributes:
        value: above 1 it lowers the system's confidence, below 1 it raises it.
        n: clips it was fitted on.
        left_out: clips without probabilities.
        nll_before: their mean negative log-likelihood in nats, at temperature 1.
        nll_after: the same at this temperature.
        at_bound: the best value lies outside `TEMPERATURES` (every clip is right, or the answers are at chance level).
            Do not use it.
    """

    value: float
    n: int
    left_out: int
    nll_before: float
    nll_after: float
    at_bound: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """The clips whose confidence is above `low` and at most `high`; the first bin includes `low`.

    Attributes:
        low: lower edge.
        high: upper edge, included.
        n: clips.
        confidence: their mean confidence; `None` if there are none.
        accuracy: the share that is right; `None` if there are none.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well confidence, the probability of the most probable class, agrees with accuracy.

    Attributes:
        n: clips with probabilities.
        left_out: clips without probabilities.
        accuracy: the share whose most probable class is right. Of equal classes the first in the label set counts.
        confidence: mean; above `accuracy` the system is overconfident.
        ece: expected calibration error, bins of equal width: mean |accuracy - confidence|, weighted by clips.
        ece_equal_mass: the same over bins with numbers of clips as equal as ties allow; empty bins affect it less.
        brier: multi-class, the mean squared distance of probabilities and truth; 0 (best) to 2.
        nll: mean negative log-likelihood of the truth in nats.
        bins: of equal width, the reliability table.
    """

    n: int
    left_out: int
    accuracy: float
    confidence: float
    ece: float
    ece_equal_mass: float
    brier: float
    nll: float
    bins: tuple[Bin, ...]


def calibrate(
    reference: Sequence[str], probabilities: Sequence[Mapping[str, float]], labels: Sequence[str], *, bins: int = 15
) -> Calibration:
    """Compute all figures of calibration.

    Args:
        reference: the true class of each clip.
        probabilities: class -> probability of each clip, summing to 1; empty where there is no answer.
        labels: the classes.
        bins: number of bins, for both equal width and equal mass; 15 as in Guo et al.

    Raises:
        UserError: no clip has probabilities, they are not a distribution over `labels`, or a reference is not a label.

    Source:
        Guo et al., On calibration of modern neural networks, ICML 2017 (ECE); Brier, Verification of forecasts
        expressed in terms of probability, Monthly Weather Review 78 (1950); equal mass: Nixon et al., Measuring
        calibration in deep learning, 2019.
    """
    if bins < 1:
        raise UserError(f"{bins} bins: at least 1 is needed")
    matrix, true, left_out = probability_matrix(reference, probabilities, labels)
    confidence, right = matrix.max(axis=1), matrix.argmax(axis=1) == true
    table = _table(confidence, right, np.linspace(0, 1, bins + 1))
    # Clips of equal confidence stay in one bin, so that the order of clips has no effect.
    edges = np.unique(np.quantile(confidence, np.arange(1, bins + 1) / bins, method="inverted_cdf"))
    return Calibration(
        n=len(true),
        left_out=left_out,
        accuracy=float(right.mean()),
        confidence=float(confidence.mean()),
        ece=_expected_error(table),
        ece_equal_mass=_expected_error(_table(confidence, right, np.concatenate([[0.0], edges]))),
        brier=float(np.square(matrix - np.eye(len(labels))[true]).sum(axis=1).mean()),
        nll=_nll(matrix, true, 1.0),
        bins=table,
    )


def fit_temperature(
    reference: Sequence[str], probabilities: Sequence[Mapping[str, float]], labels: Sequence[str]
) -> Temperature:
    """Fit the temperature that minimises the NLL of the reference. Fit it on validation, never on test.

    Args:
        reference: the true class of each clip.
        probabilities: as for `calibrate`.
        labels: the classes.

    Raises:
        UserError: as `calibrate`, or scipy is not installed.

    Source:
        Guo et al., On calibration of modern neural networks, ICML 2017, section 4.2. NLL has one minimum in 1 / T.
    """
    with extra("eval", "fitting a temperature"):
        from scipy.optimize import minimize_scalar
    matrix, true, left_out = probability_matrix(reference, probabilities, labels)
    found = minimize_scalar(lambda log: _nll(matrix, true, np.exp(log)), bounds=np.log(TEMPERATURES), method="bounded")
    value, after = float(np.exp(found.x)), float(found.fun)
    bound_nll, bound = min((_nll(matrix, true, bound), bound) for bound in TEMPERATURES)
    # Near a bound the curve is so flat that the search stops before it.
    at_bound = bound_nll <= after + 1e-9
    if at_bound:
        value, after = bound, bound_nll
    return Temperature(value, len(true), left_out, _nll(matrix, true, 1.0), after, at_bound)


def apply_temperature(prediction: Prediction, temperature: float) -> Prediction:
    """Rescale the probabilities of a prediction; a prediction without probabilities is returned unchanged.

    Args:
        prediction: with probabilities p.
        temperature: T. The new probabilities are p ** (1 / T), normalised to 1. A p below `FLOOR` counts as `FLOOR`.

    Raises:
        UserError: the temperature is not a finite number above 0.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise UserError(f"temperature {temperature}: a finite number above 0 is needed")
    if not prediction.probabilities:
        return prediction
    given = np.array([list(prediction.probabilities.values())], float)
    # At 1 nothing may change, including values below the floor.
    tempered = given if temperature == 1 else np.exp(_tempered(given, temperature))
    return replace(prediction, probabilities=dict(zip(prediction.probabilities, tempered[0].tolist(), strict=True)))


def probability_matrix(
    reference: Sequence[str], probabilities: Sequence[Mapping[str, float]], labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Probabilities `[N, C]` that sum to 1, true classes `[N]` as indices into `labels`, and the clips without any.

    Raises:
        UserError: as `calibrate`.
    """
    if len(reference) != len(probabilities):
        raise UserError(f"{len(reference)} references but {len(probabilities)} answers: one answer per clip is needed")
    place = {label: index for index, label in enumerate(labels)}
    unknown = sorted({name for name in reference if name not in place})
    if unknown:
        raise UserError(f"reference {', '.join(unknown)} is not among the labels {', '.join(labels)}")
    kept = [(place[true], each) for true, each in zip(reference, probabilities, strict=True) if each]
    if not kept:
        raise UserError("nothing to calibrate: no clip has probabilities")
    matrix = np.array([[each.get(label, 0.0) for label in labels] for _, each in kept], float)
    total = matrix.sum(axis=1)
    # Nine classes with four decimals are off by at most 4.5e-4. A NaN fails the comparison, too.
    wrong = np.flatnonzero(~(np.abs(total - 1) < 2e-3) | ~(matrix >= 0).all(axis=1))
    if wrong.size:
        raise UserError(
            f"probabilities {dict(kept[wrong[0]][1])} are not a distribution over {', '.join(labels)}: "
            "score in the classes that the system answers in"
        )
    return matrix / total[:, None], np.array([true for true, _ in kept]), len(reference) - len(kept)


def _tempered(matrix: np.ndarray, temperature: float) -> np.ndarray:
    """Log-probabilities `[N, C]` at a temperature."""
    scaled = np.log(np.maximum(matrix, FLOOR)) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def _nll(matrix: np.ndarray, true: np.ndarray, temperature: float) -> float:
    return float(-_tempered(matrix, temperature)[np.arange(len(true)), true].mean())


def _table(confidence: np.ndarray, right: np.ndarray, edges: np.ndarray) -> tuple[Bin, ...]:
    """Bins between neighbouring edges; a value equal to an edge belongs to the bin below it."""
    places = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)
    bins = []
    for index, (low, high) in enumerate(pairwise(edges)):
        inside = places == index
        n = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if n else (None, None)
        bins.append(Bin(float(low), float(high), n, *means))
    return tuple(bins)


def _expected_error(bins: Sequence[Bin]) -> float:
    clips = sum(each.n for each in bins)
    return sum(
        each.n / clips * abs(each.accuracy - each.confidence)
        for each in bins
        if each.accuracy is not None and each.confidence is not None
    )
