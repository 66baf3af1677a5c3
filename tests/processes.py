"""Processes of their own: several over gloo, as `torchrun` starts them, and one that kills itself."""

import os
import signal
import socket
import sys
from multiprocessing import get_context

import torch
from accelerate.state import AcceleratorState, GradientState, PartialState


def launch(work, count=2):
    """Run `work(rank)` in `count` processes with the environment of `torchrun`; return their exit codes.

    What `work` returns is the exit code; nothing is 0.
    """
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
            code = work(rank)
        finally:
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
        sys.exit(code or 0)

    fork = get_context("fork")
    started = [fork.Process(target=process, args=(rank,)) for rank in range(count)]
    for one in started:
        one.start()
    for one in started:
        one.join(120)
    return [one.exitcode for one in started]


def fatal_call(count):
    """A function whose `count`-th call kills its process with SIGKILL."""
    left = [count]

    def tick():
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return tick


def exit_code_of(work, seconds):
    """The exit code of `work()` in a forked process."""
    process = get_context("fork").Process(target=work)
    process.start()
    process.join(seconds)
    return process.exitcode
