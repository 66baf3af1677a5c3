"""Every row of the table trains, resumes, evaluates and predicts with the same commands, with tiny parts."""

import json
from pathlib import Path

import published_tiny
import pytest
import torch
import yaml
from commandline import emosllm, refused
from safetensors.torch import load_file

import emosllm as face
from emosllm.corpora.manifest import read_manifest
from emosllm.recipe import load_recipe, recipe_names
from emosllm.training.phase_trainer import PhaseTrainer
from emosllm.training.run import Run
from emosllm.training.run_data import RunData

OURS = (
    "nano",
    *(name for name in recipe_names() if name.startswith("emosllm")),
)  # tests/training and tests/cli have these
ROWS = tuple(name for name in recipe_names() if name not in OURS)
UNTRAINED = tuple(name for name in ROWS if not load_recipe(name).phases)
TRAINED = tuple(name for name in ROWS if name not in UNTRAINED)
LABELS = {"emotion2vec": "emotion2vec9"}
QUICK = (
    "training={precision: float32, micro_batch: 2, save_every: 1, evaluations: 2}",
    "phases.ser.epochs=1",
    "phases.ser.optimiser.batch_size=4",
    "phases.ser.optimiser.learning_rate=1e-2",
)


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    """Overrides of a row; its tiny parts are built once."""
    built = {}

    def overrides(name):
        if name not in built:
            quick = QUICK if name in TRAINED else ("training.precision=float32",)
            lora = ("lora={rank: 2, alpha: 4}",) if load_recipe(name).lora else ()
            labels = (f"labels={LABELS.get(name, 'iemocap4')}",)
            tiny_parts = published_tiny.parts(name, tmp_path_factory.mktemp(name))
            built[name] = (*tiny_parts, *lora, *labels, *quick)
        return built[name]

    return overrides


@pytest.fixture(scope="session")
def trained(parts, speech, tmp_path_factory):
    """A row's run by the command line."""
    runs = {}

    def run(name) -> Path:
        if name not in runs:
            folder = tmp_path_factory.mktemp("run") / name
            answer = emosllm("train", name, "--data", speech, "--out", folder, *parts(name))
            assert answer.code == 0, answer
            runs[name] = folder
        return runs[name]

    return run


def test_the_rows_of_the_papers_are_all_there():
    assert set(ROWS) == {
        *("gemma-text", "whisper-gemma", "emo2vec-gemma", "qwen-audio-chat", "qwen2-audio"),
        *("aa-sllm", "aa-sllm-all-linear", "emotion2vec"),
        *("head-wavlm", "head-wav2vec2", "head-hubert", "head-whisper", "head-emotion2vec"),
    }


@pytest.mark.parametrize("name", TRAINED)
def test_a_row_trains_evaluates_and_predicts(trained, speech, tmp_path, name):
    run = trained(name)
    notes = json.loads((run / "run.json").read_text())
    assert notes["phases"]["ser"]["loss"] > 0
    answer = emosllm("evaluate", run, "--data", speech, "--split", "test", "--out", tmp_path / "report")
    assert answer.code == 0, answer
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["scores"]["n"] == 4
    lines = [json.loads(line) for line in (tmp_path / "report" / "predictions.jsonl").read_text().splitlines()]
    recognise = face.load(run)
    utterances = [u for u in read_manifest(speech) if u.split == "test"]
    for line, utterance in zip(lines, utterances, strict=True):
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        alone = recognise(utterance)
        assert alone.probabilities == pytest.approx(line["probabilities"], abs=2e-4)


@pytest.mark.parametrize("name", TRAINED)
def test_what_learns_has_changed_and_nothing_else_is_saved(trained, parts, name):
    recipe = load_recipe(name, parts(name))
    saved = load_file(trained(name) / "model" / "model.safetensors")
    assert {"lora" if ".lora_" in key else key.partition(".")[0] for key in saved} == recipe.trained_parts
    for key, tensor in saved.items():
        assert torch.isfinite(tensor).all(), key
    if recipe.lora is not None:
        assert all(tensor.abs().max() > 0 for key, tensor in saved.items() if ".lora_B." in key)  # zero at the start


@pytest.mark.parametrize("name", TRAINED)
def test_a_row_that_was_stopped_resumes_to_the_same_weights(trained, parts, speech, tmp_path, monkeypatch, name):
    recipe = load_recipe(name, parts(name))
    run = Run(recipe, RunData.of(read_manifest(speech), recipe), tmp_path / "run")
    step, done = PhaseTrainer.training_step, []

    def stopped(self, *arguments, **options):
        done.append(1)
        if len(done) == 4:  # in the middle of the second update
            raise KeyboardInterrupt
        return step(self, *arguments, **options)

    monkeypatch.setattr(PhaseTrainer, "training_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        run.train()
    monkeypatch.setattr(PhaseTrainer, "training_step", step)
    run.train(resume=True)
    expected = load_file(trained(name) / "model" / "model.safetensors")
    found = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert expected.keys() == found.keys()
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor), key


@pytest.fixture
def as_published(parts, tmp_path):
    """A recipe file with a row's tiny parts in place of the published ones, for use without training."""

    def write(name, *more) -> Path:
        tree = {"include": name}
        for override in (*parts(name), *more):
            key, _, value = override.partition("=")
            if key.partition(".")[0] in ("phases", "lora") and name in UNTRAINED:
                continue
            place = tree
            *path, last = key.split(".")
            for step in path:
                place = place.setdefault(step, {})
            place[last] = yaml.safe_load(value)
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(tree))
        return tmp_path / "mine.yaml"

    return write


@pytest.mark.parametrize("name", [*UNTRAINED, "qwen-audio-chat", "gemma-text"])
def test_published_systems_answer_without_training(as_published, speech, tmp_path, name):
    recipe = as_published(name)
    answer = emosllm("evaluate", recipe, "--data", speech, "--split", "test", "--out", tmp_path / "report")
    assert answer.code == 0, answer
    lines = [json.loads(line) for line in (tmp_path / "report" / "predictions.jsonl").read_text().splitlines()]
    assert len(lines) == 4
    assert all(set(line["probabilities"]) == set(load_recipe(recipe).label_set.names) for line in lines)


@pytest.mark.parametrize("name", ["whisper-gemma", "head-wavlm"])
def test_new_parts_must_be_trained_first(speech, name):
    part = "head" if name.startswith("head") else "mapper"
    line = refused("evaluate", name, "--data", speech)
    assert line.startswith(f"emosllm: recipe {name}: its {part} must be trained before it can answer; `emosllm train")


@pytest.mark.parametrize("name", UNTRAINED)
def test_what_is_used_as_published_has_nothing_to_train(parts, speech, tmp_path, name):
    line = refused("train", name, "--data", speech, "--out", tmp_path / "run", *parts(name))
    assert "has no phases: it is used as published; try emosllm evaluate" in line
    assert not (tmp_path / "run").exists()


def test_descriptions_want_a_training_set(as_published, speech):
    """AA-SLLM's medians belong to a run; a recipe alone has none."""
    line = refused("evaluate", as_published("aa-sllm"), "--data", speech, "--split", "test")
    assert "the prompts of this system contain cues, but no training set gave their levels" in line


def test_medians_are_saved_with_the_run_and_used_again(trained, speech, monkeypatch):
    run = trained("aa-sllm")
    medians = json.loads((run / "thresholds.json").read_text())
    assert medians["cues"] == "librosa"
    recognise = face.load(run)
    assert json.loads(recognise.processor.settings.thresholds.model_dump_json()) == medians
    told = []
    build = type(recognise.processor).build_conversation
    monkeypatch.setattr(
        type(recognise.processor),
        "build_conversation",
        lambda self, task, **known: told.append(known["cues"]) or build(self, task, **known),
    )
    recognise(next(u for u in read_manifest(speech) if u.split == "test"))
    assert set(told[0]) <= {"pitch", "intensity", "speech rate", "articulation rate"}
    assert set(told[0].values()) <= {"low", "high"}


def test_balanced_weights_average_one_over_the_samples(trained, parts, speech):
    """In Whisper-Gemma's loss rare classes have larger weights, and the mean over the training set is 1."""
    from emosllm.models.build import build_processor
    from emosllm.training.dataset import PhaseDataset
    from emosllm.training.phase_plan import plan_phase

    recipe = load_recipe("whisper-gemma", parts("whisper-gemma"))
    utterances = [u for u in read_manifest(speech) if u.split == "train"]
    utterances = [u for u in utterances if u.emotion != "sad"] + utterances[:1] * 3
    phase = recipe.phases["ser"]
    plan = plan_phase("ser", phase, utterances, recipe.label_set, (0, 1), reads=True)
    dataset = PhaseDataset(plan, utterances, build_processor(recipe), phase, (0, 1))
    weights = [dataset[index].class_weight for index in range(len(dataset))]
    assert sum(weights) / len(weights) == pytest.approx(1)
    rarest, commonest = dataset.class_weights["happy"], dataset.class_weights["angry"]
    assert rarest == 2 * commonest
