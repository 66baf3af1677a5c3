"""One whole training on the CPU: what is trained, what is stored, and what is refused."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from run_weights import PHASES, assert_equal, weights

from emosllm.errors import UserError
from emosllm.models.build import build_model, build_processor
from emosllm.models.checkpoints.checkpoint import read_weights
from emosllm.models.llms.lora import lora_layers
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.processor import Sample
from emosllm.training.dataset import load_utterance
from emosllm.training.run import Run, set_trainable
from emosllm.training.run_data import RunData


def distance(one, other):
    """The largest difference between two runs' weights; but for attention's biases: no answer depends on those of its
    keys, so their gradients are rounding alone, which Adam makes large."""
    ours, theirs = (read_weights(folder / "model") for folder in (one, other))
    assert ours.keys() == theirs.keys()
    return max((ours[name] - theirs[name]).abs().max().item() for name in ours if "in_proj_bias" not in name)


def test_a_run_folder_explains_itself(plain, make_recipe):
    folder, _ = plain
    assert {path.name for path in folder.iterdir()} == {"recipe.yaml", "run.json", "phases", "model"}
    notes = json.loads((folder / "run.json").read_text())
    assert notes["recipe"] == make_recipe().model_dump(mode="json")
    assert (notes["train"], notes["val"], notes["left_out"], notes["seed"]) == (12, 4, 0, 0)
    assert {"emosllm", "torch", "transformers"} <= notes["versions"].keys()
    assert list(notes["phases"]) == ["p1", "p2", "p3"]
    assert {"loss", "seconds", "eval_ua", "eval_wa", "step"} <= notes["phases"]["p3"].keys()
    assert {path.name for path in (folder / "phases").iterdir()} == set(PHASES)
    for phase in PHASES:
        held = {path.name for path in (folder / "phases" / phase).iterdir()}
        assert held == {"kept", "tensorboard"} | ({"best"} if phase == "3-p3" else set())
    assert not list(folder.rglob("*.tmp"))


def test_each_phase_changes_what_it_says_and_nothing_else(plain, make_recipe):
    folder, trained = plain
    torch.manual_seed(0)
    begun = build_model(make_recipe()).state_dict()
    stages = [begun, *(weights(folder)[f"phases/{phase}/kept"] for phase in PHASES)]
    learned = {name for name in begun if name.startswith("mapper.") or ".lora_" in name}
    for (before, after), parts in zip(pairwise(stages), [("mapper.",), *[("mapper.", ".lora_")] * 2], strict=True):
        assert after.keys() == learned
        changed = {name for name in learned if not torch.equal(before[name], after[name])}
        assert changed
        assert all(any(part in name for part in parts) for name in changed)
        assert all(any(part in name for name in changed) for part in parts)
    frozen = trained.state_dict().keys() - learned
    assert len(frozen) > 50
    assert all(torch.equal(trained.state_dict()[name], begun[name]) for name in frozen)
    assert (folder / "model" / "model.safetensors").stat().st_size < 200_000  # only the trained weights


@pytest.mark.parametrize(("learns", "on"), [(("mapper",), False), (("mapper", "lora"), True), (("lora",), True)])
def test_adapters_that_never_learned_are_off_and_what_learns_is_named(make_recipe, learns, on):
    model = build_model(make_recipe())
    set_trainable(model, learns, on)
    assert all(layer.disable_adapters is not on for layer in lora_layers(model.llm))
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert any(name.startswith("mapper.") for name in learning) is ("mapper" in learns)
    assert any(".lora_" in name for name in learning) is ("lora" in learns)
    assert all(name.startswith("mapper.") or ".lora_" in name for name in learning)


def test_adapters_that_learned_count_while_they_rest(make_recipe):
    model = build_model(make_recipe())
    set_trainable(model, ("mapper",), lora_trained=True)
    assert not any(layer.disable_adapters for layer in lora_layers(model.llm))
    assert not any(parameter.requires_grad for parameter in model.llm.parameters())


def test_the_loss_falls(tmp_path, make_run, utterances):
    few = utterances[:4]
    fast = [f"phases.{name}.optimiser.learning_rate=0.02" for name in ("p1", "p2", "p3")]
    run = make_run(tmp_path / "run", "phases.p3.epochs=25", *fast, data=few)
    run.train()
    processor = build_processor(run.recipe)
    rows = [
        Sample(processor.build_conversation("joint", transcript=u.transcript, emotion=u.emotion), load_utterance(u))
        for u in few
    ]
    batch = processor(rows)
    torch.manual_seed(0)
    with torch.no_grad():
        before, after = (
            model.eval()(**batch).loss.item()
            for model in (build_model(run.recipe), SpeechLLM.from_pretrained(tmp_path / "run" / "model"))
        )
    assert after < before / 2


# ---- refused input


def test_a_folder_in_use_is_refused(plain, make_run, tmp_path):
    folder, _ = plain
    with pytest.raises(UserError, match="holds a run; --resume"):
        make_run(folder).train()
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="not empty and holds no run"):
        make_run(tmp_path).train()
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_run_is_not_resumed_with_another_recipe_or_other_data(plain, make_run, utterances):
    folder, _ = plain
    with pytest.raises(UserError, match="begun with another recipe"):
        make_run(folder, "lora.alpha=8").train(resume=True)
    changed = [replace(utterances[0], transcript="Something else."), *utterances[1:]]
    with pytest.raises(UserError, match="begun with another data"):
        make_run(folder, data=changed).train(resume=True)


def test_a_phase_that_can_not_be_planned_stops_the_run_before_it_begins(tmp_path, make_run):
    with pytest.raises(UserError, match=r"phase p3: .* corpora in the data: synthetic"):
        make_run(tmp_path / "run", "phases.p3.corpora=[msp-podcast]").train()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda u: replace(u, split="test"), "no utterance of the split 'train'.*{'test': 16}"),
        (lambda u: replace(u, speaker="anna"), "speaker anna is in train and in val"),
        (lambda u: replace(u, audio=Path("gone.wav")), "missing recordings: 1, the first is gone.wav"),
    ],
)
def test_data_that_teach_nothing_are_refused(make_recipe, utterances, change, words):
    with pytest.raises(UserError, match=words):
        RunData.of([change(utterance) for utterance in utterances], make_recipe())


def test_what_is_too_long_is_left_out_and_counted(make_recipe, utterances):
    long = [replace(utterances[0], id="long", duration=99.0), *utterances]
    data = RunData.of(long, make_recipe())
    assert (len(data.train), len(data.val), data.left_out) == (12, 4, 1)


def test_the_datas_hash_changes_with_anything_about_them(make_recipe, utterances):
    digests = {RunData.of(utterances, make_recipe()).digest}
    for change in ({"transcript": "x"}, {"emotion": "sad"}, {"start": 0.1}, {"split": "val", "speaker": "new"}):
        digests.add(RunData.of([replace(utterances[0], **change), *utterances[1:]], make_recipe()).digest)
    assert len(digests) == 5


# ---- the best weights are stored


def validating(monkeypatch, *scores):
    """Replace the scores of validations; gives the weights at each of them."""
    seen = []

    def validation(self, model, processor, frames):
        def validate():
            seen.append({name: model.state_dict()[name].clone() for name in model.trained_names()})
            return {"ua": scores[len(seen) - 1], "wa": 0.0}

        return validate

    monkeypatch.setattr(Run, "_validation", validation)
    return seen


@pytest.mark.parametrize(("scores", "best"), [((0.3, 0.6, 0.5), 1), ((0.4, 0.4, 0.4), 0), ((0.0, 0.1, 0.2), 2)])
def test_the_best_weights_by_validation_are_kept(tmp_path, make_run, monkeypatch, scores, best):
    seen = validating(monkeypatch, *scores)
    make_run(tmp_path / "run", "training.evaluations=3").train()
    assert len(seen) == 3
    kept = weights(tmp_path / "run")
    for place in ("phases/3-p3/kept", "model"):
        assert all(torch.equal(seen[best][name], tensor) for name, tensor in kept[place].items())
    figures = json.loads((tmp_path / "run" / "run.json").read_text())["phases"]["p3"]
    assert (figures["step"], figures["eval_ua"]) == (best + 1, scores[best])


def test_the_last_update_is_validated_too(tmp_path, make_run, monkeypatch):
    seen = validating(monkeypatch, 0.5, 0.6, 0.7)
    make_run(tmp_path / "run", "phases.p3.epochs=1.7", "training.evaluations=2").train()  # of 5 updates, 2, 4 and 5
    assert len(seen) == 3


def test_without_validation_the_last_weights_are_kept(tmp_path, make_run, utterances, plain):
    train = [utterance for utterance in utterances if utterance.split == "train"]
    make_run(tmp_path / "run", data=train).train()
    assert not (tmp_path / "run" / "phases" / "3-p3" / "best").exists()
    assert_equal(tmp_path / "run", plain[0])  # which validated the last weights, and no others


# ---- settings of speed do not change the training


@pytest.mark.parametrize("how", ["micro_batch=1", "gradient_checkpointing=true", "workers=2"])
def test_how_a_run_is_carried_out_does_not_change_what_is_learned(tmp_path, make_run, plain, how):
    make_run(tmp_path / "run", f"training.{how}").train()
    assert distance(tmp_path / "run", plain[0]) < 2e-5


def test_bfloat16_trains_in_float32_what_learns(tmp_path, make_run, plain):
    make_run(tmp_path / "run", "training.precision=bfloat16").train()
    assert {tensor.dtype for tensor in read_weights(tmp_path / "run" / "model").values()} == {torch.float32}
    losses = [
        json.loads((folder / "run.json").read_text())["phases"]["p3"]["loss"] for folder in (tmp_path / "run", plain[0])
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_progress_is_printed(tmp_path, make_run, capsys):
    make_run(tmp_path / "run").train()
    told = capsys.readouterr().err
    assert "phase p1: trains mapper on 12 asr samples" in told
    assert re.search(r"p3 .* 3/3 .*val UA 0\.\d+", told)
    assert "left" in told


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_recording_met_in_training_is_one_line(tmp_path, make_run, utterances, workers):
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"not a recording")
    data = [replace(utterances[0], audio=broken), *utterances[1:]]
    run = make_run(tmp_path / "run", "training.augmentation={}", f"training.workers={workers}", data=data)
    with pytest.raises(UserError) as caught:
        run.train()
    assert "broken.flac" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_can_start_from_a_trained_system(make_recipe, plain):
    trained = plain[0] / "model"
    began = build_model(make_recipe(f"start={trained}"))
    saved = read_weights(trained)
    state = began.state_dict()
    assert set(saved) == began.trained_names()
    assert all(torch.equal(state[name], tensor) for name, tensor in saved.items())


def test_a_start_of_another_shape_is_refused(make_recipe, plain):
    with pytest.raises(UserError, match="has the shape"):
        build_model(make_recipe(f"start={plain[0] / 'model'}", "mapper.queries=5"))
