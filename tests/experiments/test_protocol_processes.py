"""A protocol in two processes over gloo, as `torchrun` starts them: one set of files, the figures of one process."""

import os
import socket
from dataclasses import replace
from multiprocessing import get_context

import pytest
import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from commandline import emosllm
from letters import texts

from emosllm.corpora.manifest import write_manifest


@pytest.fixture(scope="module")
def turns(tmp_path_factory):
    path = tmp_path_factory.mktemp("turns") / "m.csv"
    data = [
        replace(u, session=f"iemocap_{1 + i // 8}", speaker=f"iemocap_{1 + i // 8}{'FM'[i % 2]}")
        for i, u in enumerate(texts(16, 4, "iemocap"))
    ]
    write_manifest(path, data)
    return path


def launch(words, folder, count=2):
    """The command in `count` processes with the environment that `torchrun` gives; what each said and its exit code."""
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
        answer = emosllm(*words)
        (folder / f"{rank}.out").write_text(answer.out)
        (folder / f"{rank}.err").write_text(answer.err)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        os._exit(answer.code)

    fork = get_context("fork")
    processes = [fork.Process(target=process, args=(rank,)) for rank in range(count)]
    for started in processes:
        started.start()
    for started in processes:
        started.join(120)
    return [
        (started.exitcode, (folder / f"{rank}.out").read_text(), (folder / f"{rank}.err").read_text())
        for rank, started in enumerate(processes)
    ]


def test_two_processes_leave_what_one_leaves(reader, turns, tmp_path):
    words = (
        "evaluate",
        "gemma-text",
        *reader,
        "lora.dropout=0",
        "--protocol",
        "iemocap-loso",
        "--partial",
        "--data",
        turns,
    )
    alone = emosllm(*words, "--out", tmp_path / "one")
    assert alone.code == 0, alone
    said = launch((*words, "--out", tmp_path / "two"), tmp_path)
    assert [code for code, _, _ in said] == [0, 0], said
    assert "gemma-text on iemocap-loso (PARTIAL)" in " ".join(said[0][1].split())
    assert said[1][1] == ""  # one process speaks for both
    held = [
        sorted(str(path.relative_to(tmp_path / name)).split("events")[0] for path in (tmp_path / name).rglob("*"))
        for name in ("one", "two")
    ]
    assert held[0] == held[1]
    again = launch((*words, "--out", tmp_path / "two", "--resume"), tmp_path)
    assert [code for code, _, _ in again] == [0, 0]
    assert "run 1 of 2" not in again[0][2]


def test_processes_without_a_folder_in_common_are_refused_by_all(reader, turns, tmp_path):
    words = (
        "evaluate",
        "gemma-text",
        *reader,
        "--protocol",
        "iemocap-loso",
        "--partial",
        "--test-only",
        "--data",
        turns,
    )
    for code, _, err in launch(words, tmp_path):
        assert code == 2
        assert err.splitlines()[-1] == "emosllm: several processes need one folder for what they leave: give --out DIR"
