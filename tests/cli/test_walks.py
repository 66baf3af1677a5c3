"""The three walks of docs/architecture.md: a command runs, and data pass the listed functions in the listed order."""

import re
import sys
from pathlib import Path

import pytest
from commandline import emosllm

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def walk(name):
    """The rows of a walk: file and function."""
    (text,) = re.findall(rf"<!-- walk {name} -->\n(.*?)<!-- /walk -->", PAGE, re.DOTALL)
    return re.findall(r"^\| `([\w/.]+\.py)` \| `(\w+)` \|", text, re.MULTILINE)


def passed(functions, *words):
    """Run a command; when each function was first called, and when it first gave a result, as running numbers."""
    wanted = {(str(ROOT / file), function) for file, function in functions}
    called, gave, count = {}, {}, 0

    def profile(frame, event, _):
        nonlocal count
        key = (frame.f_code.co_filename, frame.f_code.co_name)
        if key in wanted and event in ("call", "return"):
            count += 1
            (called if event == "call" else gave).setdefault(key, count)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        answer = emosllm(*words)
    finally:
        sys.setprofile(before)
    assert answer.code == 0, answer.err
    return [called[str(ROOT / file), name] for file, name in functions], [
        gave[str(ROOT / file), name] for file, name in functions
    ]


@pytest.mark.parametrize("name", ["predict", "train", "evaluate"])
def test_data_pass_the_functions_of_the_walk_in_its_order(name, run, clips, corpus, parts, tmp_path):
    functions = walk(name)
    files = [file for file, _ in functions]
    assert len(files) == len(set(files)) <= 7
    words = {
        "predict": ("predict", run, clips[0], "--format", "json", "--workers", "0"),
        "train": ("train", "emosllm", "--data", corpus, "--out", tmp_path / "run", *parts),
        "evaluate": ("evaluate", run, "--data", corpus, "--split", "test"),
    }[name]
    called, gave = passed(functions, *words)
    # The first functions compose the others: they are called first and give their result last.
    composing = sum(result > gave[-1] for result in gave)
    assert composing >= 1
    assert called[:composing] == sorted(called)[:composing]
    assert gave[composing:] == sorted(gave[composing:])
