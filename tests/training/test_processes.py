"""Two processes over gloo, as `torchrun` starts them, learn what one learns, and each file is written once."""

import os
import socket
from multiprocessing import get_context

import pytest
import torch
from accelerate.state import AcceleratorState, GradientState, PartialState

from emosllm.errors import UserError
from emosllm.models.checkpoint import read_weights


def launch(run, report, count=2):
    """Train in `count` processes, forked with the environment that `torchrun` gives; what each of them ended with."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def process(rank):
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        for state in (PartialState, AcceleratorState, GradientState):
            state._reset_state()
        try:
            run.train()
        except UserError as error:
            (report / str(rank)).write_text(str(error))
        finally:
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()

    fork = get_context("fork")
    processes = [fork.Process(target=process, args=(rank,)) for rank in range(count)]
    for started in processes:
        started.start()
    for started in processes:
        started.join(120)
    return [started.exitcode for started in processes]


@pytest.fixture
def same(make_run, utterances):
    """Runs without dropout on as many utterances as their batches hold."""

    def make(folder, *overrides):
        return make_run(folder, "training.micro_batch=2", *overrides, data=utterances)

    return make


def test_two_processes_learn_what_one_learns_and_write_each_file_once(tmp_path, same, capfd):
    same(tmp_path / "one").train()
    capfd.readouterr()
    assert launch(same(tmp_path / "two"), tmp_path) == [0, 0]
    told = capfd.readouterr().err
    for place in ("phases/1-p1/kept", "phases/2-p2/kept", "phases/3-p3/kept", "model"):
        one, two = (read_weights(tmp_path / name / place) for name in ("one", "two"))
        learned = [name for name in one if "in_proj_bias" not in name]  # see `distance` in test_run.py
        assert max((one[name] - two[name]).abs().max().item() for name in learned) < 2e-5
    held = [
        sorted(str(path.relative_to(tmp_path / name)).split("events")[0] for path in (tmp_path / name).rglob("*"))
        for name in ("one", "two")
    ]
    assert held[0] == held[1]
    assert told.count("phase p1:") == 1


def test_a_batch_that_can_not_be_split_is_refused_by_all(tmp_path, same):
    odd = [f"phases.{name}.optimiser.batch_size=3" for name in ("p1", "p2", "p3")]
    assert launch(same(tmp_path / "run", *odd), tmp_path) == [0, 0]
    assert not (tmp_path / "run").exists()
    for rank in "01":
        assert (tmp_path / rank).read_text() == "optimiser.batch_size 3 can't be split over 2 processes"
