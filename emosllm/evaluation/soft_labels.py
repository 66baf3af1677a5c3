"""Soft labels: raters' votes as a distribution over classes, and figures against predicted distributions.

A majority label hides that two of five raters disagreed. Not supported: the reliability of single raters (every vote
counts the same), and a prior over classes (a class without votes has probability 0).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emosllm.errors import UserError
from emosllm.evaluation.calibration import probability_matrix
from emosllm.extras import extra
from emosllm.labels import LabelSet

#: Added to each class of a predicted distribution before KL and cross-entropy, which would be infinite at 0.
SMOOTHING = 1e-3

# Shares that differ by less are equal; the difference is rounding.
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class SoftLabel:
    """The votes for one clip as a distribution.

    Attributes:
        shares: class -> share of the votes that count, in the label set's order; sums to 1.
        votes: number of votes that count.
        dropped: emotion -> votes without a class in the label set.
    """

    shares: Mapping[str, float]
    votes: float
    dropped: Mapping[str, float]

    @property
    def majority(self) -> tuple[str, ...]:
        """The class with the most votes, or all classes with that number."""
        most = max(self.shares.values())
        return tuple(name for name, share in self.shares.items() if share >= most - _TIE)


@dataclass(frozen=True, slots=True)
class SoftScores:
    """Predicted distributions against raters' votes.

    Attributes:
        n: clips with votes that count.
        left_out: clips without such votes; no figure includes them.
        unanswered: of `n`, clips without a predicted distribution. They are wrong in `accuracy`, 0 in `agreement`, and
            missing from the other three.
        jensen_shannon: mean divergence in bits, 0 (equal) to 1; `None` if nothing is answered, as for the next two.
        kl: mean divergence of the predicted from the raters' distribution, KL(raters || predicted), in nats.
        cross_entropy: mean, in nats, of predicted under raters': `kl` plus the raters' own entropy.
        accuracy: the share of clips whose most probable class is one of the raters' most frequent.
        agreement: mean share of votes for the most probable class: how many raters agree with the answer.
        ties: clips on which several classes share the most votes.
        dropped: emotion -> votes without a class in the label set, over all clips with votes that count.
    """

    n: int
    left_out: int
    unanswered: int
    jensen_shannon: float | None
    kl: float | None
    cross_entropy: float | None
    accuracy: float
    agreement: float
    ties: int
    dropped: Mapping[str, float]


def soft_label(votes: Mapping[str, float], labels: LabelSet) -> SoftLabel | None:
    """Convert raters' votes into shares of a label set's classes.

    Votes for an emotion that the set merges (excited) count for the class that it merges into (happy). Votes for an
    emotion that the set does not name are dropped and counted in `dropped`.

    Args:
        votes: emotion of the vocabulary (`emosllm.labels`) -> number of raters who chose it; weights are allowed.
        labels: the classes.

    Returns:
        `None` if no vote counts.

    Raises:
        UserError: a count is negative or not a finite number.
    """
    counts, dropped = dict.fromkeys(labels.names, 0.0), {}
    for emotion, count in votes.items():
        if not (np.isfinite(count) and count >= 0):
            raise UserError(f"{count} votes for {emotion}: a number from 0 is needed")
        name = labels.classify(emotion)
        if name is not None:
            counts[name] += count
        elif count:
            dropped[emotion] = count
    total = sum(counts.values())
    if not total:
        return None
    return SoftLabel({name: count / total for name, count in counts.items()}, total, dropped)


def soft_scores(
    soft: Sequence[SoftLabel | None], probabilities: Sequence[Mapping[str, float]], labels: Sequence[str]
) -> SoftScores:
    """Compare predicted distributions with raters' distributions.

    Before KL and cross-entropy, `SMOOTHING` is added to each predicted probability and the sum is normalised to 1.
    Raters' shares stay unchanged, and a share of 0 adds nothing. Jensen-Shannon needs no smoothing.

    Args:
        soft: of each clip; `None` if no vote counts.
        probabilities: class -> probability of each clip, summing to 1; empty if there is no answer.
        labels: the classes of both.

    Raises:
        UserError: the lengths differ, no clip has votes, probabilities are no distribution over `labels`, or scipy is
            not installed.

    Source:
        Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37 (1991), for Jensen-Shannon.
    """
    with extra("eval", "comparing distributions"):
        from scipy.spatial.distance import jensenshannon
        from scipy.special import rel_entr
    if len(soft) != len(probabilities):
        raise UserError(f"{len(soft)} clips with votes but {len(probabilities)} answers: one answer per clip is needed")
    rated = [(votes, each) for votes, each in zip(soft, probabilities, strict=True) if votes is not None]
    if not rated:
        raise UserError("nothing to score: no clip has votes for a class of the label set")
    answered = [(votes, each) for votes, each in rated if each]
    dropped: dict[str, float] = {}
    for votes, _ in rated:
        for emotion, count in votes.dropped.items():
            dropped[emotion] = dropped.get(emotion, 0) + count
    means: tuple[float | None, float | None, float | None] = (None, None, None)
    hits = agreement = 0.0
    if answered:
        shares = np.array([[votes.shares[name] for name in labels] for votes, _ in answered])
        # The reference is not used here; the first label is a placeholder.
        given, _, _ = probability_matrix([labels[0]] * len(answered), [each for _, each in answered], labels)
        smooth = (given + SMOOTHING) / (1 + SMOOTHING * len(labels))
        kl = rel_entr(shares, smooth).sum(axis=1)
        entropy = -rel_entr(shares, 1.0).sum(axis=1)
        distance = jensenshannon(shares, given, base=2, axis=1)
        means = (float(np.square(distance).mean()), float(kl.mean()), float((kl + entropy).mean()))
        chosen = shares[np.arange(len(shares)), given.argmax(axis=1)]
        hits, agreement = float((chosen >= shares.max(axis=1) - _TIE).sum()), float(chosen.sum())
    return SoftScores(
        len(rated),
        len(soft) - len(rated),
        len(rated) - len(answered),
        *means,
        accuracy=hits / len(rated),
        agreement=agreement / len(rated),
        ties=sum(len(votes.majority) > 1 for votes, _ in rated),
        dropped=dropped,
    )
