"""Evaluation of whole systems under protocols: trained for each fold, resumed fold by fold, or only scored."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from letters import figures_in, texts
from recorded_trainings import record_trainings

from emosllm.corpora.manifest import read_manifest, write_manifest
from emosllm.corpora.readers import emospeech
from emosllm.errors import UserError
from emosllm.evaluation.answers import read_answers
from emosllm.evaluation.metrics import score
from emosllm.experiments.fold_predictions import score_system
from emosllm.experiments.protocols.evaluation import ProtocolSettings, evaluate_protocol
from emosllm.models.speech_head import SpeechHead
from emosllm.training.feature_cache import FeatureCache

REAL = Path(__file__).parents[4] / "shared" / "data" / "text" / "emospeech2024"
FOUR = ("angry", "happy", "neutral", "sad")


@pytest.fixture(scope="module")
def loso(reader, turns, tmp_path_factory):
    out = tmp_path_factory.mktemp("loso") / "out"
    return out, *evaluate_protocol("iemocap-loso", "gemma-text", [turns], reader, ProtocolSettings(out, partial=True))


def test_each_session_is_tested_once_by_what_learned_from_the_others(loso):
    out, results, report = loso
    folds = {"fold-iemocap_1": 8, "fold-iemocap_2": 8}
    assert {name: size["test"] for name, size in results.folds.items()} == folds
    (row,) = results.rows
    found = read_answers(next(out.glob("scores/*/seed-0")))
    assert len(found) == 16
    assert score(found.reference, found.predicted, FOUR) == report.scores
    assert [run["fold"] for run in row.runs] == list(folds)
    assert row.mean == pytest.approx(sum(run["ua"] for run in row.runs) / 2)  # UA is this protocol's headline
    assert row.pooled == report.scores.ua
    assert {json.loads(p.read_text())["train"] for p in out.glob("runs/*/*/run.json")} == {8}


def test_each_fold_reads_valence_by_the_means_of_what_it_learned_from(loso, turns):
    out, _, report = loso
    clips = read_manifest(turns)
    for fold in ("iemocap_1", "iemocap_2"):
        found = json.loads(next(out.glob(f"scores/*/seed-0/fold-{fold}/report.json")).read_text())
        (reading,) = found["dimensions"]["iemocap"].values()
        others = [u.valence for u in clips if u.session != fold]
        assert reading["learned"] == len(others)
        assert reading["overall"] == pytest.approx(sum(others) / len(others))
    assert not report.dimensions
    assert "each fold has its own means of the classes" in report.unmeasured["valence of iemocap"]


def test_wrong_counts_stand_first_in_every_page(loso, reader, turns, tmp_path):
    out, _, report = loso
    assert report.data == "iemocap-loso (PARTIAL)"
    assert "**PARTIAL, not comparable" in (out / "results.md").read_text()
    assert all("PARTIAL, not comparable" in page.read_text() for page in out.rglob("report.md"))
    assert "(PARTIAL)" in (out / "results.md").read_text().splitlines()[0]
    with pytest.raises(UserError, match=r"protocol iemocap-loso: .*complete: 1103"):
        evaluate_protocol("iemocap-loso", "gemma-text", [turns], reader, ProtocolSettings(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_folds_are_taken_up_one_by_one(loso, reader, turns, tmp_path, monkeypatch):
    import shutil

    out = tmp_path / "out"
    shutil.copytree(loso[0], out)
    for place in (next(out.glob("scores/*/seed-0/fold-iemocap_2")), next(out.glob("runs/*/fold-iemocap_2-*"))):
        shutil.rmtree(place)
    seen = record_trainings(monkeypatch)
    evaluate_protocol("iemocap-loso", "gemma-text", [turns], reader, ProtocolSettings(out, partial=True, resume=True))
    assert [folder.name for folder in seen] == ["fold-iemocap_2-seed-1"]
    assert figures_in(out) == figures_in(loso[0])


def test_a_trained_system_is_scored_as_it_is(loso, turns, tmp_path, monkeypatch):
    run = next(loso[0].glob("runs/*/fold-iemocap_1-*"))
    seen = record_trainings(monkeypatch)
    _, report = evaluate_protocol("iemocap-loso", str(run), [turns], settings=ProtocolSettings(partial=True))
    assert seen == []
    assert report.scores.n == 16
    assert any("not trained under this protocol" in note for note in report.doubts)
    with pytest.raises(UserError, match=r"is trained, so 'lora\.rank=4' cannot change it"):
        evaluate_protocol("iemocap-loso", str(run), [turns], ["lora.rank=4"], ProtocolSettings(partial=True))


def test_a_recipe_can_be_scored_as_published(reader, turns, monkeypatch):
    seen = record_trainings(monkeypatch)
    results, report = evaluate_protocol(
        "iemocap-loso", "gemma-text", [turns], reader, ProtocolSettings(partial=True, test_only=True)
    )
    assert seen == []
    assert (results.chosen, report.scores.n) == ("Nothing was trained.", 16)


def test_another_system_of_the_same_recipe_is_not_taken_for_the_first(loso, turns, tmp_path):
    one, other = sorted(loso[0].glob("runs/*/fold-*"))
    settings = ProtocolSettings(tmp_path / "out", partial=True)
    evaluate_protocol("iemocap-loso", str(one), [turns], settings=settings)
    evaluate_protocol("iemocap-loso", str(other), [turns], settings=replace(settings, resume=True))
    assert len(list(tmp_path.glob("out/scores/*"))) == 2


def test_what_can_not_answer_is_refused_before_anything_is_written(loso, turns, tmp_path):
    settings = ProtocolSettings(tmp_path / "out", partial=True, test_only=True)
    with pytest.raises(UserError, match="its mapper must be trained first"):
        evaluate_protocol("iemocap-loso", "emosllm", [turns], settings=settings)
    data = [replace(u, split=("train", "val", "test")[i % 3]) for i, u in enumerate(texts(24, 0, "meld"))]
    write_manifest(tmp_path / "meld.csv", data)
    run = next(loso[0].glob("runs/*/fold-iemocap_1-*"))
    with pytest.raises(UserError, match="label set 'iemocap4' has no surprise, fear, disgust"):
        evaluate_protocol("meld", str(run), [tmp_path / "meld.csv"], settings=settings)
    assert not (tmp_path / "out").exists()


def test_a_leak_stops_before_anything_is_written(reader, tmp_path):
    data = [
        replace(u, session=f"iemocap_{1 + i // 8}", speaker="iemocap_1F") for i, u in enumerate(texts(16, 4, "iemocap"))
    ]
    write_manifest(tmp_path / "m.csv", data)
    with pytest.raises(UserError, match="fold-iemocap_1: speaker iemocap_1F is in train and in test"):
        evaluate_protocol(
            "iemocap-loso", "gemma-text", [tmp_path / "m.csv"], reader, ProtocolSettings(tmp_path / "out", partial=True)
        )
    assert not (tmp_path / "out").exists()


def test_a_published_split_that_shares_speakers_is_trained_on_and_chosen_by(reader, tmp_path):
    data = [replace(u, split=("train", "val", "test")[i % 3]) for i, u in enumerate(texts(24, 2, "meld"))]
    write_manifest(tmp_path / "m.csv", data)
    settings = ProtocolSettings(tmp_path / "out", partial=True)
    results, report = evaluate_protocol("meld", "gemma-text", [tmp_path / "m.csv"], reader, settings)
    assert results.folds == {"official": {"train": 8, "val": 8, "test": 8}}
    assert results.figure == "weighted_f1"
    assert any("2 of the tested ones. MELD's official splits have them so" in note for note in report.doubts)
    (notes,) = tmp_path.rglob("run.json")
    assert json.loads(notes.read_text())["val"] == 8


def test_training_needs_a_folder(reader, turns):
    with pytest.raises(UserError, match="trains gemma-text 2 times: give --out DIR"):
        evaluate_protocol("iemocap-loso", "gemma-text", [turns], reader, ProtocolSettings(partial=True))


def test_emobox_has_a_manifest_a_fold(reader, tmp_path):
    paths = []
    for fold in range(2):
        data = [replace(u, split="test" if i // 8 == fold else "train") for i, u in enumerate(texts(16, 4, "savee"))]
        paths.append(tmp_path / f"{fold}.csv")
        write_manifest(paths[-1], data)
    results, report = evaluate_protocol(
        "emobox:savee", "gemma-text", paths, reader, ProtocolSettings(tmp_path / "out", partial=True)
    )
    assert results.folds == {f"fold-{n}": {"train": 6, "val": 2, "test": 8} for n in (1, 2)}  # a fifth is drawn
    assert (report.scores.n, report.label_set, len(report.labels)) == (16, "emobox_savee", 7)
    assert any("drawn as its recipe intends" in note for note in results.notes)
    assert {json.loads(path.read_text())["val"] for path in tmp_path.rglob("run.json")} == {2}


def test_speech_with_an_official_validation_set(ears, speech, tmp_path, monkeypatch):
    computed, compute = [], FeatureCache._compute
    monkeypatch.setattr(FeatureCache, "_compute", lambda self, w: computed.extend(w) or compute(self, w))
    results, report = evaluate_protocol(
        "msp-podcast", "head-wavlm", [speech], ears, ProtocolSettings(tmp_path / "out", seeds=2)
    )
    assert len(computed) == 8 + 8 + 6  # every recording is encoded once for all seeds
    assert results.rows[0].over_seeds.n == 2
    assert "were chosen by UA on its validation part" in results.chosen
    assert (report.label_set, len(report.labels), report.scores.n, report.errors) == ("msp9", 9, 8, 2)
    notes = [json.loads(path.read_text()) for path in tmp_path.rglob("run.json")]
    assert {(each["train"], each["val"], each["seed"]) for each in notes} == {(8, 8, 0), (8, 8, 1000)}
    assert all("eval_ua" in each["phases"]["ser"] for each in notes)
    trained = SpeechHead.from_pretrained(next(tmp_path.glob("out/runs/*/*-seed-0/model")))
    assert trained.recipe.labels == "msp9"  # the protocol's classes, not the recipe's


def test_cached_frames_give_the_answers_of_computed_ones(ears, speech, tmp_path):
    from emosllm.experiments.data.manifests import read_manifests
    from emosllm.experiments.grid import Variant
    from emosllm.inference.loader import load

    evaluate_protocol("msp-podcast", "head-wavlm", [speech], ears, ProtocolSettings(tmp_path / "out"))
    run = next(tmp_path.glob("out/runs/*/*-seed-0"))
    clips = [u for u in read_manifests([speech]) if u.split == "test"]
    fresh = load(run)
    variant = Variant("x", {}, fresh.model.recipe)
    cached = score_system(variant, run, clips, tmp_path / "frames", 4, None).predictions
    for one, other in zip(cached, fresh.predict(clips), strict=True):
        assert (one.error is None) == (other.error is None)
        assert one.probabilities == pytest.approx(other.probabilities, abs=2e-3)


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared texts are not here")
def test_real_spanish_text_in_five_stratified_folds(reader, tmp_path):
    data = [u for u in emospeech.read(REAL) if u.split == "train"][::6]
    write_manifest(tmp_path / "m.csv", data)
    settings = ProtocolSettings(tmp_path / "out", partial=True)
    results, report = evaluate_protocol("emospeech-cv", "gemma-text", [tmp_path / "m.csv"], reader, settings)
    assert report.scores.n == len(data)
    assert report.label_set == "ekman6"
    assert len(results.folds) == 5
    assert "The test clips name no speakers, so no check for speakers on two sides was possible." in results.notes
