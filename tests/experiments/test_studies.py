"""Studies: every packaged one gives valid recipes and varies only what it states; two run in full."""

import json
from dataclasses import replace

import pytest
import soundfile as sf
import tiny
from letters import texts

from emosllm.corpora.manifest import write_manifest
from emosllm.errors import UserError
from emosllm.experiments.data.data_transform import DataTransform
from emosllm.experiments.grid import digest_of
from emosllm.experiments.studies import load_study, study_names, study_variants
from emosllm.experiments.sweep import SweepSettings, sweep_variants
from emosllm.labels import LABEL_SETS
from emosllm.training.run import Run

FOUR = LABEL_SETS["iemocap4"]
RECIPE = {"lora": "gemma-text", "description": "aa-sllm"}


@pytest.mark.parametrize("name", study_names())
def test_every_study_makes_whole_recipes_that_differ(name):
    study = load_study(name)
    studied = study_variants(study, RECIPE.get(name, "emosllm"), ["training.micro_batch=3"])
    assert len({variant.key for variant in studied.variants}) == len(studied.variants) > 1
    assert all(variant.recipe.training.micro_batch == 3 for variant in studied.variants)
    assert dict(studied.variants[0].values) == {k: v[0] for k, v in studied.keys.items()}
    assert study.says in studied.notes
    assert study.title.endswith("?")


def test_what_studies_vary():
    def recipes(name, *overrides, recipe="emosllm"):
        return {v.name: v.recipe for v in study_variants(load_study(name), recipe, overrides).variants}

    assert [list(r.phases) for r in recipes("curriculum").values()] == [
        ["p1", "p2", "p3"], ["p2", "p3"], ["p1", "p3"], ["p3"],
    ]  # fmt: skip
    whole, head = recipes("head").values()
    assert (whole.llm is None, head.llm is None, head.encoder) == (False, True, whole.encoder)
    assert list(head.phases) == ["ser"]
    assert [r.encoder.model for r in recipes("encoder", "encoder.model=a,b").values()] == ["a", "b"]
    assert [r.prompt.examples for r in recipes("examples").values()] == [0, 1, 2]

    def trainings(name):
        return {digest_of(v.training_key(False)) for v in study_variants(load_study(name), "emosllm").variants}

    assert len(trainings("transcripts")) == 1  # seven variants of inference share one training
    assert len(trainings("size")) == 4


@pytest.mark.parametrize("name", ["strategy", "transcripts", "modality"])
def test_studies_of_transcripts_enable_transcription(name):
    """Studies of transcripts let nano show its own, which its recipe does not."""
    for variant in study_variants(load_study(name), "nano").variants:
        assert variant.recipe.transcribes or not variant.recipe.uses_transcript


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no study '.*study.yaml': known are cues, curriculum, "),
        ("title: [", "is not YAML"),
        ("{title: t, source: s, says: x}", "give grid or variants"),
        ("{title: t, source: s, says: x, grid: {a: ['1', '2']}, colour: red}", "colour: Extra inputs"),
    ],
)
def test_a_bad_study_is_refused(tmp_path, text, words):
    if text is not None:
        (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(UserError, match=words):
        load_study(str(tmp_path / "study.yaml"))


def test_a_study_of_a_recipe_that_lacks_what_it_varies_is_refused():
    with pytest.raises(UserError, match="recipe gemma-text has no phase p1 to skip; it has ser"):
        study_variants(load_study("curriculum"), "gemma-text")
    with pytest.raises(UserError, match=r"the study varies prompt\.examples, not lora\.rank: use emosllm sweep"):
        study_variants(load_study("examples"), "emosllm", ["lora.rank=8,16"])


def test_smaller_training_sets_are_nested_and_keep_the_classes():
    data = texts(80)
    sides = [{u.id for u in DataTransform(share=share).train(data, FOUR)} for share in (0.1, 0.25, 0.5, 1.0)]
    assert [len(side) for side in sides] == [8, 20, 40, 80]
    assert sides[0] < sides[1] < sides[2] < sides[3]
    for share in (0.1, 0.5):
        kept = DataTransform(share=share).train(data, FOUR)
        assert {sum(u.emotion == name for u in kept) for name in FOUR.names} == {len(kept) // 4}


def test_transcripts_are_swapped_and_corrupted_as_set():
    data = [*texts(60), replace(texts(1)[0], id="silent", transcript=None)]
    swapped = DataTransform(transcripts="swapped").test(data)
    assert sorted(u.transcript for u in swapped[:-1]) == sorted(u.transcript for u in data[:-1])
    assert all(one.transcript != other.transcript for one, other in zip(swapped[:-1], data, strict=False))
    assert [u.id for u in swapped] == [u.id for u in data]
    assert swapped[-1].transcript is None
    from jiwer import wer

    said = [u.transcript for u in data[:-1]]
    for share in (0.0, 0.1, 0.5):
        corrupted = DataTransform(transcripts="corrupted", word_errors=share).test(data)
        assert wer(said, [u.transcript for u in corrupted[:-1]]) == pytest.approx(share, abs=0.06)
        assert corrupted == DataTransform(transcripts="corrupted", word_errors=share).test(data)
    assert DataTransform(transcripts="own").test(data) == data


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 2}, {"transcripts": "sung"}, {"word_errors": 1.5}])
def test_impossible_changes_are_refused(wrong):
    with pytest.raises(UserError):
        DataTransform(**wrong)


def test_a_study_of_size_runs(reader, tmp_path):
    write_manifest(tmp_path / "m.csv", texts(24, 6))
    studied = study_variants(load_study("size"), "gemma-text", reader)
    settings = SweepSettings(folds=2)
    results = sweep_variants("size", studied.variants, studied.keys, [tmp_path / "m.csv"], tmp_path / "out", settings,
                             notes=studied.notes)  # fmt: skip
    assert [row.values["share of the training clips"] for row in results.rows] == ["0.1", "0.25", "0.5", "1"]
    seen = {p.parent.parent.name: json.loads(p.read_text())["train"] for p in tmp_path.rglob("run.json")}
    assert sorted(seen.values()) == [4, 4, 8, 12]  # of twelve; at least one of each class
    assert "Source: ours." in (tmp_path / "out" / "results.md").read_text()
    assert (tmp_path / "out" / "results.svg").is_file()


def test_a_study_of_transcripts_trains_once_a_fold(tmp_path, tmp_path_factory, monkeypatch):
    ears, mouth = tiny.folders(tmp_path_factory.mktemp("backbones"))
    data = []
    for index, utterance in enumerate(texts(8, 4)):
        sf.write(tmp_path / f"{index}.wav", tiny.clip(0.4, seed=index), 16_000)
        data.append(replace(utterance, audio=tmp_path / f"{index}.wav"))
    write_manifest(tmp_path / "m.csv", data)
    small = [
        f"encoder.model={ears}", f"llm.model={mouth}", *tiny.TINY, "labels=iemocap4", "inference.max_new_tokens=8",
        "phases={}",
        "phases.p3={learns: [lora], tasks: {joint: 1}, epochs: 1, optimiser: {learning_rate: 0.001, batch_size: 4}}",
    ]  # fmt: skip
    trained, train = [], Run.train
    monkeypatch.setattr(Run, "train", lambda self, *a, **k: trained.append(self.folder) or train(self, *a, **k))
    studied = study_variants(load_study("transcripts"), "emosllm", small)
    settings = SweepSettings(folds=2, keep_models=False)
    results = sweep_variants("t", studied.variants, studied.keys, [tmp_path / "m.csv"], tmp_path / "out", settings)
    assert len(trained) == 2
    assert [row.name for row in results.rows] == list(load_study("transcripts").variants)
    reports = {
        row.name: json.loads((tmp_path / "out" / row.report / "report.json").read_text()) for row in results.rows
    }
    assert reports["none"]["transcripts_from"] is None
    assert reports["its own"]["transcripts_from"] == "model"
    assert reports["50 % wrong"]["transcripts_from"] == "given"
    told = (tmp_path / "out" / results.rows[-1].report / "predictions.jsonl").read_text().splitlines()
    true = {u.id: u.transcript for u in data}
    assert all(json.loads(line)["transcript"] != true[json.loads(line)["id"]] for line in told)
