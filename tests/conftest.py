"""Fixtures of all tests: offline, quiet, one thread a process (pytest-xdist uses the other cores).

This file also puts `tests` on the import path (pytest does so for the folder of a conftest), so that any test can
`import tiny`.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
import torch
from transformers.utils import logging

torch.set_num_threads(1)
logging.set_verbosity_error()
logging.disable_progress_bar()


@pytest.fixture(autouse=True)
def models_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the folder of models; `tests/real` has its own fixture of this name."""
    monkeypatch.delenv("EMOSLLM_MODELS", raising=False)
