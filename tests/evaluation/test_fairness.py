"""Groups have the figures of their own clips, planted gaps are found, and AA-SLLM's table adds up."""

import numpy as np
import pytest

from emosllm.errors import UserError
from emosllm.evaluation.answers import answers_of
from emosllm.evaluation.fairness import confused_with, fairness
from emosllm.evaluation.metrics import score
from emosllm.labels import label_set
from emosllm.utterance import Prediction, Utterance

LABELS = ("angry", "happy", "sad")


def world(rng, rates, speakers=12, clips=20, spread=0.06):
    """Clips of groups g0, g1, ... with the given accuracies."""
    rows = []
    for group, rate in enumerate(rates):
        for speaker in range(speakers):
            own = np.clip(rng.normal(rate, spread), 0, 1)
            for _ in range(clips):
                true = int(rng.integers(3))
                answer = true if rng.random() < own else (true + int(rng.integers(1, 3))) % 3
                rows.append((LABELS[true], LABELS[answer], f"g{group}", f"g{group}s{speaker}"))
    return tuple(map(list, zip(*rows, strict=True)))


def test_each_group_is_scored_as_if_alone():
    reference, predicted, groups, speakers = world(np.random.default_rng(0), (0.8, 0.5))
    found = fairness(reference, predicted, groups, speakers, LABELS, resamples=200)
    for name, group in found.groups.items():
        members = [i for i, each in enumerate(groups) if each == name]
        alone = score([reference[i] for i in members], [predicted[i] for i in members], LABELS)
        assert (group.n, group.ua, group.wa) == (alone.n, alone.ua, alone.wa)
        assert (group.speakers, group.classes, group.compared) == (12, 3, True)
        assert group.ua_interval.low < group.ua < group.ua_interval.high
        assert group.wa_interval.low < group.wa < group.wa_interval.high
    gap = found.gaps["ua"]
    assert (gap.best, gap.worst, gap.figure) == ("g0", "g1", "ua")
    assert gap.value == pytest.approx(found.groups["g0"].ua - found.groups["g1"].ua)
    assert 0 < gap.interval.low < gap.value < gap.interval.high
    assert gap.p < 0.01


def test_the_interval_of_a_planted_gap_covers_it_and_chance_is_called_chance():
    rng = np.random.default_rng(1)
    trials = 100
    inside = by_chance = holds_zero = 0
    for trial in range(trials):
        gap = fairness(*world(rng, (0.7, 0.5)), LABELS, resamples=150, seed=trial).gaps["wa"]
        inside += gap.interval.low <= 0.2 <= gap.interval.high
        none = fairness(*world(rng, (0.6, 0.6)), LABELS, resamples=150, seed=trial).gaps["wa"]
        assert none.value >= 0
        by_chance += none.p <= 0.05
        holds_zero += none.interval.low <= 0
    assert 0.86 <= inside / trials <= 0.99
    assert by_chance / trials <= 0.12
    assert holds_zero / trials >= 0.88


def test_small_groups_are_shown_and_not_compared():
    reference, predicted, groups, speakers = world(np.random.default_rng(2), (0.8, 0.7))
    reference += ["sad", "sad"]
    predicted += ["angry", "angry"]
    groups += ["tiny", None]
    speakers += ["t", "t"]
    found = fairness(reference, predicted, groups, speakers, LABELS, resamples=50)
    tiny = found.groups["tiny"]
    assert (tiny.n, tiny.ua, tiny.ua_interval, tiny.compared) == (1, 0, None, False)
    assert (found.unknown, found.gaps["ua"].worst) == (1, "g1")
    assert list(found.groups) == ["g0", "g1", "tiny"]
    assert fairness(reference, predicted, groups, speakers, LABELS, min_clips=1000, resamples=50).gaps == {
        "ua": None,
        "wa": None,
    }


def test_groups_that_are_speakers():
    reference, predicted, _, speakers = world(np.random.default_rng(3), (0.9, 0.3), speakers=1, clips=100)
    alone = fairness(reference, predicted, speakers, speakers, LABELS, resamples=100).gaps["wa"]
    assert (alone.interval, alone.p) == (None, None)
    by_clip = fairness(reference, predicted, speakers, [None] * 200, LABELS, resamples=100).gaps["wa"]
    assert by_clip.interval.low > 0.3
    assert by_clip.p < 0.02


def test_a_speaker_of_two_groups_has_no_regrouping():
    reference, predicted, groups, speakers = world(np.random.default_rng(4), (0.8, 0.7))
    speakers[-1] = speakers[0]
    gap = fairness(reference, predicted, groups, speakers, LABELS, resamples=50).gaps["ua"]
    assert gap.p is None
    assert gap.interval is not None


def test_the_same_twice():
    clips = world(np.random.default_rng(5), (0.8, 0.7, 0.6))
    assert fairness(*clips, LABELS, resamples=50) == fairness(*clips, LABELS, resamples=50)
    assert fairness(*clips, LABELS, resamples=50) != fairness(*clips, LABELS, resamples=50, seed=1)


FOUR = label_set("iemocap4")


def system(name, true, answers):
    clips = [Utterance(str(i), emotion=emotion) for i, emotion in enumerate(true)]
    return answers_of(clips, [Prediction(str(i), answer) for i, answer in enumerate(answers)], FOUR, name)


def test_called_neutral_by_hand():
    true = ["happy", "happy", "happy", "sad", "sad", "angry", "neutral", "neutral"]
    ours = ["happy", "happy", "happy", "sad", "neutral", "sad", "neutral", "sad"]
    base = ["neutral", "neutral", "sad", None, "sad", "angry", "happy", "neutral"]
    won, lost = confused_with(system("ours", true, ours), system("base", true, base))
    # Right in ours, wrong in base: 3 happy (2 called neutral), 1 sad (no answer), 1 neutral.
    assert (won.right, won.wrong, won.name) == ("ours", "base", "neutral")
    assert won.by_class == {"angry": (0, 0), "happy": (2, 3), "sad": (0, 1)}
    assert (won.called, won.n, won.share) == (2, 5, 2 / 5)
    assert lost.by_class == {"angry": (0, 1), "happy": (0, 0), "sad": (1, 1)}
    assert (lost.right, lost.called, lost.n) == ("base", 1, 3)
    equal, _ = confused_with(system("a", true, ours), system("b", true, ours))
    assert (equal.n, equal.share) == (0, None)


def test_mistakes():
    one = system("a", ["sad"], ["sad"])
    with pytest.raises(UserError, match="bored is not among the labels"):
        confused_with(one, one, "bored")
    with pytest.raises(UserError, match="cannot be compared"):
        confused_with(one, system("b", ["sad", "sad"], ["sad", "sad"]))
    with pytest.raises(UserError, match="no clip has a group"):
        fairness(["sad"], ["sad"], [None], ["s"], LABELS)
    with pytest.raises(UserError, match="differ in number"):
        fairness(["sad"], ["sad"], [], ["s"], LABELS)
