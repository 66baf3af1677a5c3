"""What a training stores is data: code in its checkpoints or its cached frames is not run."""

import os

import numpy as np
import pytest
import torch

from emosllm.errors import UserError
from emosllm.training.dataset import load_frames
from emosllm.training.phase_trainer import PhaseTrainer


class Malice:
    """An object whose unpickling makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, make_run):
    """A run that was stopped after the first checkpoint of its first phase."""
    folder, steps = tmp_path_factory.mktemp("stopped") / "run", []
    step = PhaseTrainer.training_step

    def stop(*values):
        steps.append(1)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return step(*values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhaseTrainer, "training_step", stop)
        with pytest.raises(KeyboardInterrupt):
            make_run(folder).train()
    return folder


@pytest.mark.parametrize("file", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_code_in_a_checkpoint_is_not_run(stopped, make_run, tmp_path, file):
    (path,) = stopped.glob(f"phases/1-p1/checkpoints/checkpoint-2/{file}")
    before, ran = path.read_bytes(), tmp_path / "RAN"
    torch.save({"state": Malice(ran)}, path)
    with pytest.raises(UserError, match=f"checkpoint-2: .*{file}.* is damaged or holds more than tensors") as caught:
        make_run(stopped).train(resume=True)
    assert "\n" not in str(caught.value)
    assert not ran.exists()
    torch.load(path, weights_only=False)
    assert ran.exists()  # the plant works where it is opened
    path.write_bytes(before)


def test_code_in_cached_frames_is_not_run(tmp_path):
    path, ran = tmp_path / "frames.npy", tmp_path / "RAN"
    np.save(path, np.array([Malice(ran)], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"frames\.npy: the cached frames cannot be read; delete that file"):
        load_frames(path)
    assert not ran.exists()
    np.load(path, allow_pickle=True)
    assert ran.exists()
