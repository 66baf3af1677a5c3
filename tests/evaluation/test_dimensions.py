"""Dimensions from probabilities: sums by hand, means without the scored clips, and separate scales by corpus."""

import json
from dataclasses import replace

import numpy as np
import planted
import pytest
from html_pages import Page, lies_at

from emosllm.evaluation.concordance import ccc, concordance, concordance_difference
from emosllm.evaluation.dimensions import METHOD, estimate_dimensions, expected_value
from emosllm.evaluation.report_builder import build_report
from emosllm.labels import label_set
from emosllm.reporting.evaluations import ComparedEvaluations, compare_evaluations
from emosllm.reporting.formats.html_page import render_page
from emosllm.reporting.formats.markdown_page import markdown_page, markdown_report
from emosllm.reporting.sections.dimensions import dimension_differences, dimensions
from emosllm.utterance import Prediction, Utterance

LABELS = label_set("iemocap4")
PLACES = {"angry": (1.8, 4.2), "happy": (4.1, 3.6), "neutral": (2.9, 2.5), "sad": (2.2, 2.0)}


def rated(count, seed, corpus="iemocap", split="test", scale=1.0):
    """Clips whose ratings are the mean of their class plus noise."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        emotion = LABELS.names[index % 4]
        valence, arousal = (scale * (place + rng.normal(0, 0.4)) for place in PLACES[emotion])
        made.append(
            Utterance(f"{corpus}_{split}_{index}", emotion=emotion, speaker=f"{split}_{index % 10}", corpus=corpus,
                      split=split, valence=valence, arousal=arousal)
        )  # fmt: skip
    return made


TRAIN, TEST = rated(80, 1, split="train"), rated(120, 2)


def probabilities(clips, seed):
    rng = np.random.default_rng(seed)
    return [dict(zip(LABELS.names, rng.dirichlet(np.where(np.array(LABELS.names) == c.emotion, 3.0, 0.5)), strict=True))
            for c in clips]  # fmt: skip


def test_the_expectation_is_the_sum_written_out():
    means = {"angry": 2.0, "sad": 1.0}
    assert expected_value({"angry": 0.25, "sad": 0.75}, means, 9.0) == pytest.approx(0.25 * 2 + 0.75 * 1)
    # Happy has no mean, so its probability is distributed among the others.
    assert expected_value({"angry": 0.2, "sad": 0.2, "happy": 0.6}, means, 9.0) == pytest.approx(1.5)
    assert expected_value({"happy": 1.0}, means, 9.0) == expected_value({}, means, 9.0) == 9.0


def test_a_reading_is_lins_formula_of_the_expectations():
    shares = probabilities(TEST, 3)
    found, missing = estimate_dimensions(TEST, shares, TRAIN, LABELS, resamples=100)
    assert missing == {}
    assert list(found) == ["iemocap"]
    assert list(found["iemocap"]) == ["valence", "arousal"]
    for dimension, reading in found["iemocap"].items():
        means = {name: np.mean([getattr(c, dimension) for c in TRAIN if c.emotion == name]) for name in LABELS.names}
        assert dict(reading.means) == pytest.approx(means)
        read = np.array([sum(share[name] * means[name] for name in LABELS.names) for share in shares])
        truth = np.array([getattr(clip, dimension) for clip in TEST])
        gap = (truth.mean() - read.mean()) ** 2
        lin = 2 * np.mean((truth - truth.mean()) * (read - read.mean())) / (truth.var() + read.var() + gap)
        assert reading.scores.ccc == pytest.approx(lin)
        assert reading.scores.interval.low < lin < reading.scores.interval.high
        assert reading.always_mean == 0
        assert reading.ceiling == pytest.approx(ccc(truth, [means[clip.emotion] for clip in TEST]))
        assert 0 < reading.scores.ccc < reading.ceiling < 1
        assert (reading.learned, reading.scores.n, reading.scale) == (80, 120, (1, 5))


def test_the_true_classes_reach_the_ceiling_and_no_answer_is_the_mean():
    certain = [{clip.emotion: 1.0} for clip in TEST]
    reading = estimate_dimensions(TEST, certain, TRAIN, LABELS, resamples=10)[0]["iemocap"]["valence"]
    assert reading.scores.ccc == pytest.approx(reading.ceiling)
    half = [share if place % 2 else {} for place, share in enumerate(certain)]
    found = estimate_dimensions(TEST, half, TRAIN, LABELS, resamples=10)[0]["iemocap"]["valence"]
    assert (found.unanswered, found.scores.n) == (60, 120)
    read = [found.means[c.emotion] if place % 2 else found.overall for place, c in enumerate(TEST)]
    assert found.scores.ccc == pytest.approx(ccc([c.valence for c in TEST], read))


def test_no_mean_is_measured_on_what_is_scored():
    leaking = [*TRAIN, *(replace(clip, split="val") for clip in TEST)]
    shares = probabilities(TEST, 3)
    assert estimate_dimensions(TEST, shares, leaking, LABELS) == estimate_dimensions(TEST, shares, TRAIN, LABELS)
    found, missing = estimate_dimensions(TEST, shares, TEST, LABELS)
    assert found == {}
    assert set(missing) == {"valence of iemocap", "arousal of iemocap"}
    assert "no rated clip of a train or val part" in missing["valence of iemocap"]


def test_corpora_are_read_by_their_own_means_on_their_own_scales():
    podcast = rated(80, 5, "msp_podcast", "train", 1.4), rated(40, 6, "msp_podcast", "test", 1.4)
    both = [*TEST, *podcast[1]]
    shares = probabilities(both, 4)
    found, _ = estimate_dimensions(both, shares, [*TRAIN, *podcast[0]], LABELS, resamples=50)
    alone, _ = estimate_dimensions(TEST, shares[: len(TEST)], TRAIN, LABELS, resamples=50)
    assert found["iemocap"] == alone["iemocap"]
    assert found["msp_podcast"]["valence"].scale == (1, 7)
    assert found["msp_podcast"]["valence"].means["happy"] > 5 > found["iemocap"]["valence"].means["happy"]


def test_free_answers_and_unrated_corpora_say_so_or_nothing():
    found, missing = estimate_dimensions(TEST, [{}] * len(TEST), TRAIN, LABELS)
    assert found == {}
    assert "free answers have none" in missing["valence of iemocap"]
    plain = [replace(clip, valence=None, arousal=None) for clip in TEST]
    assert estimate_dimensions(plain, probabilities(plain, 1), TRAIN, LABELS) == ({}, {})


def test_raters_who_always_say_the_same_have_no_coefficient_of_the_mean():
    flat = [replace(clip, valence=3.0, arousal=None) for clip in TEST]
    flat_clips = [replace(clip, valence=3.0) for clip in TRAIN]
    reading = estimate_dimensions(flat, probabilities(flat, 1), flat_clips, LABELS, resamples=10)[0]["iemocap"][
        "valence"
    ]
    assert (reading.always_mean, reading.ceiling) == (None, None)
    assert not reading.scores.ccc


def test_a_difference_equals_two_coefficients_and_a_plain_loop():
    rng = np.random.default_rng(7)
    x = rng.normal(4, 1, 60)
    one, other = x + rng.normal(0, 1.5, 60), x + rng.normal(0, 0.5, 60)
    who = [f"s{i // 10}" for i in range(60)]
    found = concordance_difference(x, one, other, who, resamples=100, seed=3)
    assert found.first == pytest.approx(concordance(x, one, who, resamples=1).ccc)
    assert found.difference == pytest.approx(ccc(x, other) - ccc(x, one))
    draws = []
    for weights in np.random.default_rng(3).multinomial(6, np.full(6, 1 / 6), size=100):
        at = np.concatenate([np.tile(np.arange(s * 10, s * 10 + 10), t) for s, t in enumerate(weights)]).astype(int)
        draws.append(ccc(x[at], other[at]) - ccc(x[at], one[at]))
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))
    assert found.p < 0.05


@pytest.fixture(scope="module")
def side(tmp_path_factory):
    """A weaker and a stronger system, on clips with rated dimensions."""
    root = tmp_path_factory.mktemp("rated")
    folders = []
    for name, seed, right in (("weak", 1, 0.4), ("strong", 2, 0.9)):
        answers = planted.answers(TEST, right, seed)
        folders.append(planted.write_run(root / name, TEST, answers, name, reference_clips=TRAIN))
    return compare_evaluations(folders)


def test_reports_keep_what_was_read_and_what_it_takes_to_read_it_again(side):
    for run in side.evaluations:
        means = run.report.dimensions["iemocap"]["valence"].means
        read = [sum(share * means[name] for name, share in row["probabilities"].items()) for row in run.rows]
        again = concordance([row["valence"] for row in run.rows], read, [row["speaker"] for row in run.rows],
                            resamples=200)  # fmt: skip
        kept = run.report.dimensions["iemocap"]["valence"].scores
        # Four decimals of each probability need not sum to 1.
        assert again.ccc == pytest.approx(kept.ccc, abs=1e-4)
        assert again.interval.low == pytest.approx(kept.interval.low, abs=1e-3)


def test_two_systems_are_compared_dimension_by_dimension(side):
    weak, strong = (run.report.dimensions["iemocap"] for run in side.evaluations)
    assert [each.dimension for each in side.comparisons.dimensions] == ["valence", "arousal"]
    for each in side.comparisons.dimensions:
        assert each.ccc.first == pytest.approx(weak[each.dimension].scores.ccc)
        assert each.ccc.second == pytest.approx(strong[each.dimension].scores.ccc)
        assert each.ccc.p < 0.05
    (table,) = dimension_differences(side.comparisons.dimensions)
    assert [row[1] for row in table.rows] == ["valence", "arousal"]
    assert list(dimension_differences(())) == []


def test_pages_state_the_method_the_floor_and_the_ceiling(side):
    text = markdown_page(side)
    assert "## Valence, arousal, dominance\n" in text
    assert "not regressed" in text
    section = dimensions(side)
    figures, *means = section.blocks
    assert len(figures.rows) == 4
    assert figures.rows[0][2].value == 0  # always the mean
    assert len(means) == 2
    kept = side.evaluations[0].report.dimensions["iemocap"]["valence"]
    assert f"{kept.scores.ccc:.3f} [{kept.scores.interval.low:.3f}, {kept.scores.interval.high:.3f}]" in text
    assert f"{kept.ceiling:.3f}" in text
    assert dimensions(ComparedEvaluations(())) is None


def test_the_page_s_numbers_are_the_reports(side):
    page = Page(render_page(side))
    reports = [json.loads(json.dumps(run.report.to_dict())) for run in side.evaluations]
    placed = [(value, at) for value, at, _ in page.numbers if at and "/dimensions/" in at]
    # Each run and dimension: four coefficients, the mean error, and a mean of each class.
    assert len(placed) == 2 * 2 * (5 + len(LABELS.names))
    assert all(float(value) == lies_at(reports, at) for value, at in placed)
    assert "valence,-arousal,-dominance" not in page.ids
    assert "valence-arousal-dominance" in page.ids


def test_a_report_without_a_training_part_says_why():
    report = build_report(TEST, planted.answers(TEST, 0.5, 1), LABELS, model="m", data="d", resamples=20)
    assert report.dimensions == {}
    assert "leave these parts in the manifest" in report.unmeasured["valence of iemocap"]
    assert "valence of iemocap" in markdown_report(report)
    assert METHOD not in markdown_report(report)
    assert json.loads(json.dumps(report.to_dict()))["dimensions"] == {}


def test_clips_without_a_class_are_in_no_reading():
    clips = [*TEST, Utterance("odd", corpus="iemocap", speaker="z", valence=5.0)]
    answers = [*planted.answers(TEST, 0.5, 1), Prediction("odd", "sad", {"sad": 1.0})]
    report = build_report(clips, answers, LABELS, model="m", data="d", resamples=20, reference_clips=TRAIN)
    assert report.dimensions["iemocap"]["valence"].scores.n == len(TEST)
