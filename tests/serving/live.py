"""A real server: `emosllm serve` in a process of its own, at a free port."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Live:
    """A running server: its process, its URL, and the lines that it wrote to the error stream."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process, self.lines = process, []
        self.url = ""
        self._ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if found := re.search(r" at (http://\S+)", line):
                self.url = found[1]
                self._ready.set()
        self._ready.set()

    def wait(self) -> str:
        assert self._ready.wait(60)
        assert self.url, self.lines
        return self.url

    def stop(self, number: int) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def serving(*options: object) -> Iterator[Live]:
    """`emosllm serve nano` with these options."""
    command = [sys.executable, "-m", "emosllm", "serve", "nano", "--port", "0", "--device", "cpu", *map(str, options)]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": paths}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    server = Live(process)
    try:
        server.wait()
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        process.stderr.close()
