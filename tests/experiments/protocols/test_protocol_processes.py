"""A protocol in two processes over gloo, as `torchrun` starts them: one set of files, the figures of one process."""

import processes
from commandline import emosllm


def launch(words, folder):
    """Run the command in two processes; return the exit code and the output of each."""

    def run(rank):
        answer = emosllm(*words)
        (folder / f"{rank}.out").write_text(answer.out)
        (folder / f"{rank}.err").write_text(answer.err)
        return answer.code

    codes = processes.launch(run)
    return [
        (code, (folder / f"{rank}.out").read_text(), (folder / f"{rank}.err").read_text())
        for rank, code in enumerate(codes)
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
    assert said[1][1] == ""  # only one process prints
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
        assert err.splitlines()[-1] == "emosllm: several processes need one folder for their results: give --out DIR"
