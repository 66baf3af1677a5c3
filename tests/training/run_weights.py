"""The weights of a run: those of each phase and those of the model, and whether two runs have the same."""

from pathlib import Path

import torch

from emosllm.models.checkpoints.checkpoint import read_weights

PHASES = ("1-p1", "2-p2", "3-p3")


def weights(folder):
    """All trained weights of a run: those of each phase, and the model."""
    return {place: read_weights(Path(folder) / place) for place in (*(f"phases/{p}/kept" for p in PHASES), "model")}


def assert_equal(one, other):
    for place, tensors in weights(one).items():
        theirs = weights(other)[place]
        assert tensors.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in tensors.items()), place
