"""What the tests of experiments share: a tiny LLM that reads, since it trains fastest."""

import gc

import pytest
import tiny

TINY_TEXT = (
    "lora={rank: 2, alpha: 4}",
    "training={precision: float32, micro_batch: 4, save_every: 2}",
    "phases.ser={epochs: 1, optimiser: {batch_size: 4, learning_rate: 0.01}}",
    "labels=iemocap4",
)


@pytest.fixture(scope="session", autouse=True)
def quick_collection():
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def reader(tmp_path_factory) -> tuple[str, ...]:
    """Overrides that give the recipe `gemma-text` a tiny LLM."""
    _, mouth = tiny.folders(tmp_path_factory.mktemp("backbones"))
    return (f"llm.model={mouth}", *TINY_TEXT)
