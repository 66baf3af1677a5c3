"""Two systems: McNemar by hand, the paired bootstrap against a plain loop, coverage, and unpaired systems."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from emosllm.errors import UserError
from emosllm.evaluation.answers import answers_of, paired, read_answers
from emosllm.evaluation.metrics import score
from emosllm.evaluation.report_builder import build_report
from emosllm.evaluation.statistics.bootstrap import FIGURES
from emosllm.evaluation.statistics.significance import compare, mcnemar, seed_spread
from emosllm.labels import label_set
from emosllm.reporting.report_files import write_report
from emosllm.utterance import Prediction, Utterance

FOUR = label_set("iemocap4")


def system(name, true, answers, speakers, ids=None):
    clips = [
        Utterance(ids[i] if ids else f"{i}", emotion=emotion, speaker=speakers[i]) for i, emotion in enumerate(true)
    ]
    return answers_of(
        clips, [Prediction(clip.id, answer) for clip, answer in zip(clips, answers, strict=True)], FOUR, name
    )


def two_systems(rng, speakers=20, clips=20, better=0.0):
    """Answers of two systems whose accuracy varies by speaker; the second is right more often by `better`."""
    n = speakers * clips
    who = [f"s{i // clips}" for i in range(n)]
    true = rng.integers(0, 4, n)
    rate = np.repeat(rng.normal(0, 0.1, (2, speakers)), clips, axis=1) + np.array([[0.6], [0.6 + better]])
    right = rng.random((2, n)) < rate
    answers = np.where(right, true, (true + rng.integers(1, 4, (2, n))) % 4)
    names = np.array(FOUR.names)
    return [system(name, names[true], names[each], who) for name, each in zip("ab", answers, strict=True)]


def test_mcnemar_by_hand():
    # 10 and 2 disagreements: (8 - 1)² / 12, and 2 * sum of C(12, 0..2) / 2^12.
    first = [True] * 5 + [True] * 10 + [False] * 2 + [False] * 3
    second = [True] * 5 + [False] * 10 + [True] * 2 + [False] * 3
    test = mcnemar(first, second)
    assert (test.both, test.only_first, test.only_second, test.neither) == (5, 10, 2, 3)
    assert test.chi_square == pytest.approx(49 / 12)
    assert test.p_exact == pytest.approx(2 * (1 + 12 + 66) / 4096)
    assert test.p_chi_square == pytest.approx(0.0433, abs=1e-4)  # from a table of chi-square, one degree of freedom
    assert mcnemar(second, first).p_exact == test.p_exact


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_scipys(pairs):
    first, second = zip(*pairs, strict=True)
    test = mcnemar(first, second)
    b = sum(one and not other for one, other in pairs)
    c = sum(other and not one for one, other in pairs)
    assert (test.only_first, test.only_second) == (b, c)
    assert test.both + b + c + test.neither == len(pairs)
    if b + c == 0:
        assert (test.p_exact, test.chi_square, test.p_chi_square) == (1, 0, 1)
    else:
        assert test.p_exact == pytest.approx(stats.binomtest(b, b + c).pvalue)
        assert test.p_exact == pytest.approx(min(1, 2 * stats.binom.cdf(min(b, c), b + c, 0.5)))
        assert test.p_chi_square == pytest.approx(stats.chi2.sf((abs(b - c) - 1) ** 2 / (b + c), 1))


def test_equals_a_plain_loop_over_speakers():
    first, second = two_systems(np.random.default_rng(1), speakers=6, clips=10, better=0.1)
    found = compare(first, second, resamples=200, seed=7)
    rng = np.random.default_rng(7)
    draws = {name: [] for name in FIGURES}
    for weights in rng.multinomial(6, np.full(6, 1 / 6), size=200):
        places = [
            i for speaker, times in enumerate(weights) for i in list(range(speaker * 10, speaker * 10 + 10)) * times
        ]
        one, other = (
            score(*zip(*[(s.reference[i], s.predicted[i]) for i in places], strict=True), FOUR.names)
            for s in (first, second)
        )
        for name in FIGURES:
            draws[name].append(getattr(other, name) - getattr(one, name))
    for name, difference in found.differences.items():
        low, high = np.quantile(draws[name], [0.025, 0.975])
        assert (difference.interval.low, difference.interval.high) == pytest.approx((low, high))
        assert difference.first == pytest.approx(getattr(score(first.reference, first.predicted, FOUR.names), name))
        assert difference.difference == pytest.approx(difference.second - difference.first)
        beyond = min(sum(d <= 0 for d in draws[name]), sum(d >= 0 for d in draws[name]))
        assert difference.p == pytest.approx(min(1, 2 * (beyond + 1) / 201))


def test_the_interval_of_the_difference_covers_the_truth_and_the_p_keeps_its_word():
    rng = np.random.default_rng(2)
    trials = 200
    inside = rejected = 0
    for trial in range(trials):
        first, second = two_systems(rng, speakers=25, clips=12, better=0.05)
        difference = compare(first, second, resamples=200, seed=trial).differences["wa"]
        inside += difference.interval.low <= 0.05 <= difference.interval.high
        same = compare(*two_systems(rng, speakers=25, clips=12), resamples=200, seed=trial).differences["wa"]
        rejected += same.p <= 0.05
    assert 0.88 <= inside / trials <= 0.985
    assert 0.01 <= rejected / trials <= 0.12


def test_clips_of_few_speakers_are_no_independent_evidence():
    # Two systems that differ only by speaker: McNemar assumes 1000 independent clips, the bootstrap 5 speakers.
    rng = np.random.default_rng(3)
    pairs = [compare(*two_systems(rng, speakers=5, clips=200), resamples=200) for _ in range(40)]
    by_clip = sum(pair.mcnemar.p_exact < 0.05 for pair in pairs)
    by_speaker = sum(pair.differences["wa"].p < 0.05 for pair in pairs)
    assert by_clip > 2 * by_speaker


def test_a_system_differs_from_itself_by_nothing():
    first, _ = two_systems(np.random.default_rng(4))
    found = compare(first, first)
    assert {(d.difference, d.interval.low, d.interval.high, d.p) for d in found.differences.values()} == {(0, 0, 0, 1)}
    assert (found.mcnemar.p_exact, found.n, found.speakers) == (1, 400, 20)


def test_one_speaker_has_figures_and_no_interval():
    first, second = (
        system(name, ["sad", "angry"], [answer, "angry"], ["s", "s"]) for name, answer in (("a", None), ("b", "sad"))
    )
    found = compare(first, second).differences["ua"]
    assert (found.first, found.second, found.difference, found.interval, found.p) == (0.5, 1.0, 0.5, None, None)


def test_order_does_not_matter_and_mismatches_are_named():
    first, second = two_systems(np.random.default_rng(5), speakers=4, clips=5)
    shuffled = second.take(np.random.default_rng(0).permutation(len(second)))
    assert shuffled.ids != second.ids
    assert paired(first, shuffled) == second
    assert compare(first, shuffled, resamples=50) == compare(first, second, resamples=50)
    with pytest.raises(UserError, match=r"a and b cannot be compared: 1 clips only in the first, 0 .*such as 19"):
        compare(first, second.take(range(19)))
    other = dataclasses.replace(
        second, reference=("happy" if second.reference[0] != "happy" else "sad", *second.reference[1:])
    )
    with pytest.raises(UserError, match=r"clip 0 is [a-z]+ in one reference"):
        compare(first, other)
    with pytest.raises(UserError, match="one answers angry, happy, neutral, sad, the other a"):
        compare(first, dataclasses.replace(second, labels=("a",)))
    with pytest.raises(UserError, match="clip x occurs twice"):
        system("a", ["sad", "sad"], ["sad", "sad"], ["s", "s"], ids=["x", "x"])
    with pytest.raises(UserError, match="nothing to score"):
        compare(system("a", [], [], []), system("b", [], [], []))
    with pytest.raises(UserError, match="2 clips of one system but 1"):
        mcnemar([True, False], [True])
    with pytest.raises(UserError, match="there are no clips"):
        mcnemar([], [])


def test_seeds_by_hand():
    three = seed_spread([0.5, 0.6, 0.7])
    assert (three.n, three.mean, three.sd) == (3, pytest.approx(0.6), pytest.approx(0.1))
    half = 4.302653 * 0.1 / 3**0.5  # Student's t, 2 degrees of freedom, 97.5 %
    assert (three.interval.low, three.interval.high) == (pytest.approx(0.6 - half), pytest.approx(0.6 + half))
    one = seed_spread([0.5])
    assert (one.mean, one.sd, one.interval) == (0.5, None, None)
    with pytest.raises(UserError, match="give one per training"):
        seed_spread([])
    with pytest.raises(UserError, match="one of the figures is nan"):
        seed_spread([0.5, float("nan")])


def test_the_interval_over_seeds_covers_the_mean():
    values = np.random.default_rng(6).normal(0.6, 0.02, (500, 3))
    inside = [found.interval.low <= 0.6 <= found.interval.high for found in map(seed_spread, values)]
    assert 0.92 <= np.mean(inside) <= 0.98


def test_answers_come_back_from_disk_as_they_were_scored(tmp_path):
    clips = [
        Utterance("1", emotion="excited", speaker="s", gender="female", language="en"),
        Utterance("2", emotion="fear", speaker="s"),
        Utterance("3", emotion="sad"),
    ]
    shares = {"angry": 0.1, "happy": 0.2, "neutral": 0.3, "sad": 0.4}
    given = [
        Prediction("1", "happy", {"happy": 0.5, "excited": 0.5}),
        Prediction("2", "sad", shares),
        Prediction("3", error="x"),
    ]
    write_report(build_report(clips, given, FOUR, model="m", data="d"), clips, given, tmp_path)
    found = read_answers(tmp_path)
    assert found == answers_of(clips, given, FOUR, "m")
    assert (found.ids, found.reference, found.predicted) == (("1", "3"), ("happy", "sad"), ("happy", None))
    assert (found.speakers, found.genders, found.languages) == (("s", None), ("female", None), ("en", None))
    assert found.confidences == (1.0, None)
    assert found.correct == (True, False)
    (tmp_path / "predictions.jsonl").write_text("{}\n", "utf-8")
    with pytest.raises(UserError, match="holds no complete report"):
        read_answers(tmp_path)
    (tmp_path / "report.json").unlink()
    with pytest.raises(UserError, match=r"report\.json is missing"):
        read_answers(tmp_path)
