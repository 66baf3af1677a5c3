"""Startup: the command line's help and the package's import, compared with a script that imports every dependency."""

import subprocess
import sys
from collections.abc import Callable

from bench.case import Case, Pair
from bench.sizes import Setting

_ALL = "import torch, transformers, peft, accelerate"
_HELP = f"{_ALL}; import argparse; p = argparse.ArgumentParser(); p.add_argument('audio'); p.parse_args(['--help'])"


def _started(plain: list[str], ours: list[str]) -> Callable[[Setting], Pair]:
    def run(arguments: list[str]) -> Callable[[], int]:
        return lambda: subprocess.run([sys.executable, *arguments], capture_output=True, check=True).returncode

    def prepare(_: Setting) -> Pair:
        return Pair(run(plain), run(ours), _both_end, 1, {"plain": plain[-1]})

    return prepare


def _both_end(plain: int, ours: int) -> dict[str, float]:
    assert plain == ours == 0
    return {}


CASES = (
    Case("import", "python -c 'import emosllm'", _started(["-c", _ALL], ["-c", "import emosllm"]), computes=False),
    Case("help", "emosllm --help", _started(["-c", _HELP], ["-m", "emosllm", "--help"]), computes=False),
)
