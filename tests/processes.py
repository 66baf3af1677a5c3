"""Several processes over gloo, as `torchrun` starts them."""

import os
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
