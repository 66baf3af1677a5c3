"""Run the command line in this process: `emosllm("predict", ...)` returns the exit code and the output."""

import csv
import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from emosllm import cli


@dataclass(frozen=True)
class Answer:
    """The result of a command: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def emosllm(*words: object) -> Answer:
    """Run a command on a terminal of 100 columns without colours."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    terminal = {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}
    with (
        mock.patch.object(sys, "argv", ["emosllm", *map(str, words)]),
        mock.patch.dict(os.environ, terminal),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as leave:
            code = int(leave.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


def refused(*words: object) -> str:
    """Assert that a command refuses a mistake with exit code 2 and one line, and return that line."""
    answer = emosllm(*words)
    assert answer.code == 2, answer
    assert answer.out == "", answer
    assert answer.err.startswith("emosllm: "), answer
    assert answer.err.count("\n") == 1, answer
    assert sys.prefix not in answer.err, answer
    assert str(Path(cli.__file__).parents[1]) not in answer.err, answer
    return answer.err.rstrip("\n")


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    """A manifest."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def cut(path: Path) -> None:
    """Keep the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
