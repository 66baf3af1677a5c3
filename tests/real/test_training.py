"""EmoSLLM with published parts on real speech: three phases lower both losses, and a killed run can be resumed."""

import os
import signal
from dataclasses import replace
from multiprocessing import get_context

import pytest
import torch

from emosllm.models.build import build_model, build_processor, load_model
from emosllm.models.checkpoints.checkpoint import read_weights
from emosllm.prompting.processor import Sample
from emosllm.recipe import load_recipe
from emosllm.training.dataset import load_utterance
from emosllm.training.phase_trainer import PhaseTrainer
from emosllm.training.run import Run
from emosllm.training.run_data import RunData

PHASES = ("p1", "p2", "p3")
PARTS = (
    "encoder.model=openai/whisper-tiny.en",
    "llm.model=HuggingFaceTB/SmolLM2-135M-Instruct",
    "mapper={queries: 8, layers: 1, heads: 4, width: 128, feedforward: 128}",
    "lora={rank: 4, alpha: 8}",
    "labels=ekman7",
    "prompt.examples=0",
    "audio.max_seconds=30",
    "phases.p3.corpora=null",
    "phases.p3.epochs=1",
    "phases.p3.tasks={joint: 1.0, ser: 1.0}",
    *(f"phases.{name}.optimiser.batch_size=2" for name in PHASES),
    *(f"phases.{name}.optimiser.learning_rate=2.0e-3" for name in PHASES),
    "training={precision: float32, micro_batch: 2, save_every: 1, evaluations: 1}",
)


@pytest.fixture(scope="module")
def make(recordings, tmp_path_factory):
    """Runs on four short recordings of two emotions, and two more for validation, with one cache of frames."""
    recipe = load_recipe("emosllm", PARTS)
    cache = tmp_path_factory.mktemp("frames")
    chosen = []
    for split, count in (("train", 2), ("val", 1)):
        for emotion in ("angry", "sad"):
            there = [u for u in recordings if (u.corpus, u.split, u.emotion) == ("ravdess", split, emotion)]
            chosen += [replace(u) for u in there[:count]]
    assert len(chosen) == 6
    return lambda folder: Run(recipe, RunData.of(chosen, recipe), folder, cache)


def killed(run, update):
    """Train in another process that is killed after a weight update; return its exit code."""

    def live():
        left, step = [update], PhaseTrainer.training_step

        def counted(*values):
            loss = step(*values)
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return loss

        PhaseTrainer.training_step = counted
        run.train()

    process = get_context("fork").Process(target=live)
    process.start()
    process.join(200)
    return process.exitcode


@torch.no_grad()
def losses(model, run):
    """Mean loss of the transcripts' tokens and of the emotions' tokens over the training set."""
    processor = build_processor(run.recipe)
    found = {}
    for task in ("asr", "ser"):
        rows = [
            Sample(processor.build_conversation(task, transcript=u.transcript, emotion=u.emotion), load_utterance(u))
            for u in run.data.train
        ]
        found[task] = model.eval()(**processor(rows)).loss.item()
    return found


def test_three_phases_lower_both_losses_and_a_killed_run_resumes_to_the_same_weights(make, tmp_path):
    run = make(tmp_path / "whole")
    torch.manual_seed(0)
    before = losses(build_model(run.recipe), run)
    run.train()
    after = losses(load_model(str(tmp_path / "whole" / "model")), run)
    assert all(after[task] < 0.8 * before[task] for task in before), (before, after)

    broken = make(tmp_path / "killed")
    assert killed(broken, 4) == -signal.SIGKILL  # of two updates a phase: in the second of phase 2
    assert (tmp_path / "killed" / "phases" / "1-p1" / "kept").is_dir()
    assert not (tmp_path / "killed" / "model").exists()
    make(tmp_path / "killed").train(resume=True)
    one, other = (read_weights(tmp_path / name / "model") for name in ("whole", "killed"))
    assert one.keys() == other.keys()
    assert not [name for name, tensor in one.items() if not torch.equal(tensor, other[name])]
