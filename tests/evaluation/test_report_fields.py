"""The sections of a report equal the results of their modules, list what is missing, and can be read again."""

import json
from dataclasses import replace

import planted
import pytest
from pydantic import TypeAdapter

from emosllm.errors import UserError
from emosllm.evaluation.abstention import abstention_scores, risk_coverage
from emosllm.evaluation.answers import read_answers
from emosllm.evaluation.calibration import apply_temperature, calibrate
from emosllm.evaluation.fairness import fairness
from emosllm.evaluation.provenance import digest_of, find_training
from emosllm.evaluation.report_builder import Report, build_report
from emosllm.reporting.formats.markdown_page import markdown_report
from emosllm.utterance import Prediction

CLIPS = planted.utterances()
PREDICTIONS = planted.answers(CLIPS, 0.6, 3)


def report(predictions=PREDICTIONS, clips=CLIPS, **options):
    known = {"model": "m", "data": "d", "resamples": 100}
    return build_report(clips, predictions, planted.LABELS, **known | options)


def test_a_report_comes_back_from_disk_as_it_was():
    made = report(abstain_below=0.9, temperature=2.0, robustness=planted.swept(CLIPS))
    assert TypeAdapter(Report).validate_json(json.dumps(made.to_dict())) == made


def test_figures_of_confidence_are_those_of_the_file(tmp_path):
    planted.write_run(tmp_path, CLIPS, PREDICTIONS, abstain_below=0.92)
    kept = read_answers(tmp_path)
    made = TypeAdapter(Report).validate_json((tmp_path / "report.json").read_bytes())
    assert made.confidence.calibration == calibrate(kept.reference, kept.probabilities, kept.labels)
    assert made.confidence.as_given is None
    assert made.confidence.aurc == risk_coverage(kept.reference, kept.predicted, kept.confidences).aurc
    sides = (kept.reference, kept.predicted, kept.confidences, kept.labels)
    assert made.selective == abstention_scores(*sides, 0.92)
    assert 0 < made.selective.covered < made.selective.n
    sides = (kept.reference, kept.predicted, kept.genders, kept.speakers, kept.labels)
    assert made.fairness["gender"] == fairness(*sides, resamples=200)
    assert list(made.fairness) == ["gender", "language", "speaker"]


def test_before_a_temperature_is_what_the_system_gave():
    plain = report().confidence
    tempered = report([apply_temperature(p, 2.5) for p in PREDICTIONS], temperature=2.5).confidence
    assert tempered.as_given.ece == pytest.approx(plain.calibration.ece, abs=1e-3)
    assert tempered.as_given.nll == pytest.approx(plain.calibration.nll, abs=1e-3)
    assert tempered.calibration.nll < plain.calibration.nll


def test_free_answers_have_no_confidence_and_say_what_named_nothing():
    free = [Prediction(p.path, p.label, said="hm") for p in PREDICTIONS]
    free[0] = replace(free[0], label="neutral", unnamed=True)
    made = report(free, answer="generate", fallback="neutral")
    assert (made.unnamed, made.fallback) == (1, "neutral")
    assert made.confidence is None
    assert made.unmeasured["confidence"] == "nothing to calibrate: no clip has probabilities"
    text = markdown_report(made)
    assert "Text that named no label: 1 of 240, counted as neutral." in text
    assert "Not measured" in text
    assert "named no label" not in markdown_report(report())
    with pytest.raises(UserError, match="--abstain-below needs probabilities"):
        report(free, abstain_below=0.5)


def test_raters_votes_are_scored_where_there_are_some():
    made = report()
    assert made.soft.n == len(CLIPS)
    assert made.soft.dropped == {"bored": len(CLIPS)}
    assert report(clips=[replace(clip, votes=None) for clip in CLIPS]).soft is None


def test_what_is_not_known_is_named():
    clips = [replace(clip, gender=None, language="en") for clip in CLIPS]
    made = report(clips=clips)
    assert list(made.fairness) == ["speaker"]
    assert set(made.unmeasured) == {"fairness by gender", "fairness by language"}


def test_doubts_are_in_the_report():
    assert "It was fitted on these." in markdown_report(report(doubts=["It was fitted on these."]))


def test_the_hash_is_of_facts_and_not_of_order_or_folder(tmp_path):
    one = digest_of(CLIPS)
    assert digest_of(CLIPS[::-1]) == one
    assert digest_of(planted.utterances(tmp_path)) == one
    assert digest_of([*CLIPS[1:], replace(CLIPS[0], emotion="sad")]) != one


def test_a_system_s_training_is_found_beside_it(tmp_path, monkeypatch):
    run = tmp_path / "run"
    (run / "model").mkdir(parents=True)
    (run / "model" / "config.json").write_text("{}")
    assert find_training(str(run)) is None
    notes = {"data": "ab", "train": 4, "val": 2, "seed": 3, "versions": {}, "hardware": {}}
    notes["phases"] = {"p1": {"loss": 1.0, "seconds": 60.0}, "p2": {"seconds": 30.0}}
    (run / "run.json").write_text(json.dumps(notes))
    for name in (run, run / "model"):
        found = find_training(str(name))
        assert (found.data, found.seed, found.seconds) == ("ab", 3, 90.0)
    monkeypatch.chdir(run)
    assert find_training("model").data == "ab"
    assert find_training("nano") is None
    (run / "run.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        find_training(str(run))
