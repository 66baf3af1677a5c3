"""Protocols with options of single evaluations: given transcripts, a temperature a fold, abstention, robustness."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from letters import texts

from emosllm.corpora.manifest import read_manifest, write_manifest
from emosllm.corpora.readers import emobox
from emosllm.errors import UserError
from emosllm.evaluation.answers import read_answers
from emosllm.evaluation.provenance import digest_of
from emosllm.evaluation.robustness.answer_cache import AnswerCache
from emosllm.experiments.protocols.evaluation import ProtocolSettings, evaluate_protocol
from emosllm.experiments.scoring_options import ScoringOptions
from emosllm.inference.recogniser import Recogniser
from emosllm.inference.stored_calibration import CALIBRATION, StoredCalibration, write_calibration
from emosllm.reporting.evaluation_folders import read_report
from emosllm.utterance import Prediction

SEVERITIES = 4  # of `clipping` and of `quiet`


@pytest.fixture(scope="module")
def heard(ears, speech, tmp_path_factory):
    """A head under MSP-Podcast's protocol with abstention and a robustness sweep."""
    out = tmp_path_factory.mktemp("heard") / "out"
    scoring = ScoringOptions(abstain_below=0.12, conditions=("clipping", "quiet"), seed=3)
    return out, *evaluate_protocol("msp-podcast", "head-wavlm", [speech], ears, ProtocolSettings(out, scoring=scoring))


def test_abstention_and_robustness_are_in_the_reports(heard):
    out, _, report = heard
    assert (report.selective.threshold, report.selective.n) == (0.12, 8)
    points = report.robustness.points
    assert [point.condition for point in points] == ["clipping"] * SEVERITIES + ["quiet"] * SEVERITIES
    assert report.robustness.seed == report.seed == 3
    assert {point.n for point in points} == {7}  # the broken recording is in no point
    assert len(list(out.glob("scores/*/seed-0/official/robustness/*.json"))) == 2 * SEVERITIES + 2
    assert "clipping" in next(out.glob("scores/*/seed-0/report.md")).read_text()


def test_a_sweep_that_is_stopped_goes_on_where_it_was(heard, ears, speech, tmp_path, monkeypatch):
    out = tmp_path / "out"
    settings = ProtocolSettings(
        out, scoring=ScoringOptions(abstain_below=0.12, conditions=("clipping", "quiet"), seed=3)
    )
    write, done = AnswerCache.write, []

    def stopping(self, *point):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(point[:2])
        write(self, *point)

    monkeypatch.setattr(AnswerCache, "write", stopping)
    with pytest.raises(KeyboardInterrupt):
        evaluate_protocol("msp-podcast", "head-wavlm", [speech], ears, settings)
    monkeypatch.setattr(AnswerCache, "write", lambda self, *point: done.append(point[:2]) or write(self, *point))
    _, report = evaluate_protocol("msp-podcast", "head-wavlm", [speech], ears, replace(settings, resume=True))
    assert len(done) == len(set(done)) == 2 * SEVERITIES + 1
    assert report.robustness == heard[2].robustness


def listeners(folder, sessions=2):
    """A small IEMOCAP with audio: sessions of two speakers."""
    import soundfile as sf

    data = []
    for index, utterance in enumerate(texts(8 * sessions, 4, "iemocap")):
        sf.write(folder / f"{index}.wav", tiny.clip(0.4, seed=index), 16_000)
        session = f"iemocap_{1 + index // 8}"
        speaker = f"{session}{'FM'[index % 2]}"
        data.append(replace(utterance, audio=folder / f"{index}.wav", session=session, speaker=speaker))
    write_manifest(folder / "m.csv", data)
    return folder / "m.csv"


def test_degraded_recordings_of_all_folds_form_one_curve(ears, tmp_path):
    data = listeners(tmp_path)
    settings = ProtocolSettings(tmp_path / "out", partial=True, scoring=ScoringOptions(conditions=("quiet",)))
    _, report = evaluate_protocol("iemocap-loso", "head-wavlm", [data], ears, settings)
    folds = [read_report(path.parent) for path in sorted(tmp_path.glob("out/scores/*/seed-0/fold-*/report.json"))]
    assert report.robustness.clean.n == 16
    for place, point in enumerate(report.robustness.points):
        each = [fold.robustness.points[place] for fold in folds]
        assert (point.n, point.condition, point.severity) == (16, "quiet", each[0].severity)
        assert point.wa == pytest.approx(np.mean([one.wa for one in each]))
    assert report.robustness.points[0].ua_change is not None


def planted(self, utterances, *_):
    """Overconfident answers of which six in ten are right; from clip 24 on the confidence is even higher."""
    for utterance in utterances:
        number = int(utterance.id.rpartition("-")[2])
        true = self.labels.names.index(self.labels.classify(utterance.emotion))
        answer = true if number % 10 < 6 else (true + 1) % len(self.labels.names)
        logs = np.where(np.arange(len(self.labels.names)) == answer, 6.0 if number >= 24 else 4.0, 0.0)
        shares = np.exp(logs / self.temperature)
        probabilities = dict(zip(self.labels.names, (shares / shares.sum()).tolist(), strict=True))
        yield Prediction(utterance.id, self.labels.names[answer], probabilities)


@pytest.fixture(scope="module")
def fitted(reader, tmp_path_factory):
    """Two folds of EmoBox's SAVEE, each with a temperature of its own."""
    folder = tmp_path_factory.mktemp("fitted")
    paths = []
    for fold in range(2):
        data = [replace(u, split="test" if i // 24 == fold else "train") for i, u in enumerate(texts(48, 12, "savee"))]
        paths.append(folder / f"{fold}.csv")
        write_manifest(paths[-1], data)
    settings = ProtocolSettings(
        folder / "out", partial=True, scoring=ScoringOptions(calibrates=True, abstain_below=0.2)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recogniser, "predict", planted)
        found = evaluate_protocol("emobox:savee", "gemma-text", paths, reader, settings)
    return folder, *found


def test_each_fold_has_a_temperature_fitted_on_its_own_validation_part(fitted):
    folder, results, report = fitted
    places = folder.glob("out/scores/*/seed-0/fold-*/report.json")
    folds = {path.parent.name: read_report(path.parent) for path in places}
    warm = {name: each.confidence.temperature for name, each in folds.items()}
    origins = results.rows[0].origin.calibrations
    assert warm == {name.partition(",")[0]: each["temperature"] for name, each in origins.items()}
    assert warm["fold-1"] > warm["fold-2"] > 1.2  # whose validation part has the more confident answers
    for fold in (1, 2):
        train = [u for u in read_manifest(folder / f"{fold - 1}.csv") if u.split == "train"]
        validation = emobox.draw_validation(train)[1]
        assert origins[f"fold-{fold}, seed 0"]["digest"] == digest_of(validation)
    assert report.confidence.temperature is None
    assert report.confidence.temperatures == (min(warm.values()), max(warm.values()))
    assert set(report.provenance.calibrations) == {"fold-1", "fold-2"}
    assert "each fold its own" in next(folder.glob("out/scores/*/seed-0/report.md")).read_text()
    assert "Temperatures of gemma-text: fold-1, seed 0" in (folder / "out" / "results.md").read_text()


def test_probabilities_of_all_folds_are_at_their_folds_temperatures(fitted):
    folder, _, report = fitted
    folds = [read_report(path.parent) for path in folder.glob("out/scores/*/seed-0/fold-*/report.json")]
    for side in ("as_given", "calibration"):  # folds are of one size
        likelihoods = [getattr(each.confidence, side).nll for each in folds]
        assert getattr(report.confidence, side).nll == pytest.approx(np.mean(likelihoods), abs=2e-3)
    assert report.confidence.calibration.nll < report.confidence.as_given.nll


def test_abstention_is_over_the_pooled_folds(fitted):
    folder, _, report = fitted
    answers = read_answers(next(folder.glob("out/scores/*/seed-0")))
    assert report.selective.n == 48
    assert report.selective.covered == sum(sure is not None and sure >= 0.2 for sure in answers.confidences)
    assert report.confidence.aurc is not None


def test_a_validation_part_without_a_temperature_is_noted(reader, tmp_path, monkeypatch):
    import emosllm.experiments.fold_predictions as fold_predictions

    def beyond(*_, **__):
        raise UserError("every clip is right")

    monkeypatch.setattr(fold_predictions, "fit_recogniser_temperature", beyond)
    data = [replace(u, split=("train", "val", "test")[i % 3]) for i, u in enumerate(texts(24, 2, "meld"))]
    write_manifest(tmp_path / "m.csv", data)
    settings = ProtocolSettings(tmp_path / "out", partial=True, scoring=ScoringOptions(calibrates=True))
    _, report = evaluate_protocol("meld", "gemma-text", [tmp_path / "m.csv"], reader, settings)
    assert "No temperature was fitted, so it is 1: every clip is right." in report.doubts
    assert report.confidence.temperature == 1


def test_a_given_temperature_is_taken(reader, tmp_path):
    data = [replace(u, split=("train", "val", "test")[i % 3]) for i, u in enumerate(texts(24, 2, "meld"))]
    write_manifest(tmp_path / "m.csv", data)
    settings = ProtocolSettings(partial=True, test_only=True, scoring=ScoringOptions(temperature=2.5))
    seven = (*reader, "labels=ekman7")
    _, report = evaluate_protocol("meld", "gemma-text", [tmp_path / "m.csv"], seven, settings)
    assert report.confidence.temperature == 2.5


def test_a_system_that_is_scored_as_it_is_can_be_calibrated(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(Recogniser, "predict", planted)
    data = [replace(u, split=("train", "val", "test")[i // 20]) for i, u in enumerate(texts(60, 2, "meld"))]
    write_manifest(tmp_path / "m.csv", data)
    settings = ProtocolSettings(partial=True, test_only=True, scoring=ScoringOptions(calibrates=True))
    seven = (*reader, "labels=ekman7")
    results, report = evaluate_protocol("meld", "gemma-text", [tmp_path / "m.csv"], seven, settings)
    assert results.folds == {"official": {"train": 0, "val": 20, "test": 20}}
    assert report.confidence.temperature > 1.2
    assert report.provenance.calibration["n"] == 20


def test_a_temperature_beside_the_weights_is_applied_and_reported(fitted, tmp_path):
    folder, results, _ = fitted
    run = tmp_path / "run"
    shutil.copytree(next(folder.glob("out/runs/*/fold-1-*")), run)
    origin = next(iter(results.rows[0].origin.calibrations.values()))
    write_calibration(StoredCalibration(**{**origin, "temperature": 3.25}), run / "model" / CALIBRATION)
    paths = [folder / "0.csv", folder / "1.csv"]
    found, report = evaluate_protocol("emobox:savee", str(run), paths, settings=ProtocolSettings(partial=True))
    assert report.confidence.temperature == 3.25
    assert report.provenance.calibration["temperature"] == 3.25
    assert {each["temperature"] for each in found.rows[0].origin.calibrations.values()} == {3.25}
    assert (report.provenance.training.train, report.provenance.trainings) == (19, {})  # one run, evaluated on both


@pytest.fixture(scope="module")
def talker(tmp_path_factory):
    """The recipe `emosllm` with tiny parts, which transcribes and then names the emotion."""
    folder, mouth = tiny.folders(tmp_path_factory.mktemp("talker"))
    short = [f"phases.{name}={{epochs: 1, corpora: null, optimiser: {{batch_size: 4}}}}" for name in ("p1", "p2", "p3")]
    training = "training={save_every: 50, evaluations: 1}"
    return (f"encoder.model={folder}", f"llm.model={mouth}", *tiny.TINY, *short, training, "inference.max_new_tokens=4")


def test_true_transcripts_can_be_given(talker, speech, tmp_path):
    """EmoSLLM's headline figure is measured in this way."""
    settings = ProtocolSettings(tmp_path / "out", strategy="transcript-first", transcripts="given")
    _, report = evaluate_protocol("msp-podcast-8", "emosllm", [speech], talker, settings)
    assert (report.transcripts_from, report.strategy, report.wer) == ("given", "transcript-first", None)
    folder = next(tmp_path.glob("out/scores/*/seed-0"))
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    answered = [row for row in rows if row["error"] is None]
    assert len(answered) >= 6
    assert all(row["transcript"] == row["reference_transcript"] for row in answered)
    own = replace(settings, transcripts="own", resume=True)
    _, alone = evaluate_protocol("msp-podcast-8", "emosllm", [speech], talker, own)
    assert (alone.transcripts_from, alone.wer is None) == ("model", False)
    assert len(list(tmp_path.glob("out/runs/*/*/run.json"))) == 1  # options of inference need no other training


REFUSED = [
    (
        {"scoring": ScoringOptions(temperature=1.5, calibrates=True)},
        "--temperature and --calibrate cannot be used together",
    ),
    ({"scoring": ScoringOptions(temperature=0.0)}, "temperature 0.0: a finite number above 0"),
    ({"scoring": ScoringOptions(abstain_below=1.5)}, "threshold 1.5: a confidence between 0 and 1"),
    ({"scoring": ScoringOptions(calibrates=True)}, "--calibrate: fold-iemocap_1 has no validation part"),
    ({"answer": "generate", "scoring": ScoringOptions(abstain_below=0.5)}, "--abstain-below needs probabilities"),
    ({"answer": "generate", "scoring": ScoringOptions(temperature=2.0)}, "--temperature needs probabilities"),
    (
        {"scoring": ScoringOptions(conditions=("quiet",))},
        "--robustness degrades recordings, and gemma-text takes no audio",
    ),
]


@pytest.mark.parametrize(("wishes", "words"), REFUSED)
def test_what_makes_no_sense_together_is_refused_before_anything_is_written(reader, turns, tmp_path, wishes, words):
    settings = ProtocolSettings(tmp_path / "out", partial=True, **wishes)
    with pytest.raises(UserError, match=words):
        evaluate_protocol("iemocap-loso", "gemma-text", [turns], reader, settings)
    assert not (tmp_path / "out").exists()


def test_more_that_makes_no_sense(reader, ears, turns, speech, talker, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UserError, match="'generate' needs an llm"):
        evaluate_protocol("msp-podcast", "head-wavlm", [speech], ears, ProtocolSettings(out, answer="generate"))
    wishes = ProtocolSettings(out, transcripts="given", strategy="ser")
    with pytest.raises(UserError, match="takes no transcript with the strategy ser: add --strategy transcript-first"):
        evaluate_protocol("msp-podcast", "emosllm", [speech], talker, wishes)
    wishes = ProtocolSettings(partial=True, test_only=True, seeds=3)
    with pytest.raises(UserError, match="--seeds 3: gemma-text is not trained here"):
        evaluate_protocol("iemocap-loso", "gemma-text", [turns], reader, wishes)
    assert not Path(out).exists()
