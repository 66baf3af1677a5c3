"""A run that is killed at any moment resumes to the same weights as a run that was never stopped."""

import json
import os
import signal
import sys

import pytest
import torch
from processes import exit_code_of, fatal_call
from run_weights import assert_equal, weights
from safetensors.torch import load_file

from emosllm.training.phase_trainer import PhaseTrainer

ROUGH = ("mapper.dropout=0.3", "lora.dropout=0.2", "training.augmentation={}", "training.balance=true")
CHECKPOINT = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "config.json")


@pytest.fixture(scope="module")
def rough(tmp_path_factory, make_run):
    """The same with dropout, augmentation and balance."""
    folder = tmp_path_factory.mktemp("rough") / "run"
    make_run(folder, *ROUGH).train()
    return folder


def dying(run, moment, resume=False):
    """Continue a run in another process until it kills itself with SIGKILL.

    Args:
        moment: a part of a path and a count: at the count-th time that such a path is opened for writing, made, renamed
            or removed; or "update" and a count, in the middle of that weight update.
    """

    def live():
        tick = fatal_call(moment[1])

        def heard(event, values):
            if event in ("open", "os.mkdir", "os.rename", "shutil.rmtree", "os.remove"):
                written = event != "open" or (values[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
                if written and isinstance(values[0], str | os.PathLike):
                    path = str(values[0])
                    if path.startswith(str(run.folder)) and moment[0] in path:
                        tick()

        if moment[0] == "update":
            step = PhaseTrainer.training_step
            PhaseTrainer.training_step = lambda *values: (step(*values), tick())[0]
        else:
            sys.addaudithook(heard)
        run.train(resume)

    return exit_code_of(live, 120)


def assert_nothing_half_written(folder):
    """Check that files with a final name are complete."""
    assert not (folder / "model").exists()
    notes = folder / "run.json"
    assert not notes.exists() or json.loads(notes.read_text())
    for checkpoint in folder.glob("phases/*/checkpoints/checkpoint-*"):
        assert all((checkpoint / name).is_file() for name in CHECKPOINT), checkpoint
        torch.load(checkpoint / "optimizer.pt", weights_only=True)
    for kept in [*folder.glob("phases/*/kept"), *folder.glob("phases/*/best")]:
        assert (kept / "config.json").is_file()
        assert load_file(kept / "model.safetensors")


MOMENTS = {
    "at the very beginning": ("recipe.yaml", 1),
    "before the run is noted": ("run.json", 1),
    "in the first update": ("update", 1),
    "between checkpoints": ("update", 3),
    "while a checkpoint is made": ("2-p2/checkpoints/.saving/checkpoint-2", 4),
    "before the second checkpoint replaces the first": ("checkpoint-3", 6),
    "while the best weights are saved": ("best", 2),
    "between phases": ("1-p1/.kept", 2),
    "after the last update": ("3-p3/.kept", 1),
    "while the model is saved": (".model", 3),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_killed_run_resumes_to_the_same_weights(tmp_path, make_run, rough, moment):
    run = make_run(tmp_path / "run", *ROUGH)
    assert dying(run, moment) == -signal.SIGKILL
    assert_nothing_half_written(run.folder)
    make_run(run.folder, *ROUGH).train(resume=True)
    assert_equal(run.folder, rough)


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path, make_run, monkeypatch):
    run = make_run(tmp_path / "run")
    assert dying(run, ("update", 6)) == -signal.SIGKILL  # in the last of the second phase's three updates
    steps, step = [], PhaseTrainer.training_step
    monkeypatch.setattr(PhaseTrainer, "training_step", lambda *values: steps.append(1) or step(*values))
    run.train(resume=True)
    assert len(steps) == 1 + 3


def test_a_run_killed_again_and_again_arrives_at_the_same_weights(tmp_path, make_run, plain):
    lives = 0
    while dying(make_run(tmp_path / "run"), ("", 55), resume=lives > 0) == -signal.SIGKILL:
        assert_nothing_half_written(tmp_path / "run")
        lives += 1
        assert lives < 10
    assert lives >= 2
    assert_equal(tmp_path / "run", plain[0])


def test_resuming_a_finished_run_changes_nothing(plain, make_run, tmp_path, monkeypatch):
    folder, _ = plain
    before = weights(folder), (folder / "run.json").read_text()
    monkeypatch.setattr(PhaseTrainer, "train", lambda *_, **__: pytest.fail("trained again"))
    assert make_run(folder).train(resume=True) == folder / "model"
    after = weights(folder), (folder / "run.json").read_text()
    assert before[1] == after[1]
    assert all(
        torch.equal(before[0][place][name], after[0][place][name]) for place in after[0] for name in after[0][place]
    )
