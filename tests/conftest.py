"""Fixtures of all tests: offline, quiet, one thread a process (pytest-xdist uses the other cores).

This file also puts `tests` on the import path (pytest does so for the folder of a conftest), so that any test can
`import tiny`.
"""

import gc
import os
from collections.abc import Iterator

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
import torch
from transformers.utils import logging

import emosllm
from emosllm.inference.recogniser import Recogniser

torch.set_num_threads(1)
logging.set_verbosity_error()
logging.disable_progress_bar()


@pytest.fixture(scope="session", autouse=True)
def quick_collection() -> Iterator[None]:
    """Exclude imported modules from garbage collection, as the Trainer collects garbage after each phase."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def nano() -> Recogniser:
    """The builtin system, loaded once; a test that changes it has to undo that."""
    return emosllm.load("nano", device="cpu")


@pytest.fixture(autouse=True)
def models_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the folder of models; `tests/real` has its own fixture of this name."""
    monkeypatch.delenv("EMOSLLM_MODELS", raising=False)
