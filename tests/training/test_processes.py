"""Training in two processes over gloo, as `torchrun` starts them, equals one process, and each file is written once."""

import processes
import pytest

from emosllm.errors import UserError
from emosllm.models.checkpoints.checkpoint import read_weights


def launch(run, report):
    """Train in two processes; return the result of each."""

    def train(rank):
        try:
            run.train()
        except UserError as error:
            (report / str(rank)).write_text(str(error))

    return processes.launch(train)


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
        assert (tmp_path / rank).read_text() == "optimiser.batch_size 3 cannot be split over 2 processes"
