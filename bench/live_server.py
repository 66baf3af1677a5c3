"""Start a real server: `emosllm serve` in a process of its own, at a free port, for load tests and tests."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE = 90.0  # seconds, the time limit for its start and for its stop


class Live:
    """A running server.

    Attributes:
        process: its process.
        url: its address.
        lines: its output on the error stream.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.url = ""
        self.lines: list[str] = []
        self._ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def wait(self) -> str:
        """Wait until the server answers, and return its URL."""
        assert self._ready.wait(PATIENCE), "the server does not start"
        assert self.url, self.lines
        return self.url

    def stop(self, number: int) -> int:
        """Send a signal to the server, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if found := re.search(r" at (http://\S+)", line):
                self.url = found[1]
                self._ready.set()
        self._ready.set()


@contextmanager
def serving(*options: object, model: str = "nano") -> Iterator[Live]:
    """Run `emosllm serve` with these options; it is killed at the end, if it still runs."""
    command = [sys.executable, "-m", "emosllm", "serve", model, "--port", "0", "--device", "cpu", *map(str, options)]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": paths}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    server = Live(process)
    try:
        server.wait()
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        if process.stderr is not None:
            process.stderr.close()
