"""Fixtures for the tests of experiments: a tiny LLM that reads text, a head on a tiny encoder, and speech."""

from dataclasses import replace

import pytest
import soundfile as sf
import tiny
from letters import texts

from emosllm.corpora.manifest import write_manifest

TINY_TEXT = (
    "lora={rank: 2, alpha: 4}",
    "training={precision: float32, micro_batch: 4, save_every: 2}",
    "phases.ser={epochs: 1, optimiser: {batch_size: 4, learning_rate: 0.01}}",
    "labels=iemocap4",
)


@pytest.fixture(scope="session")
def turns(tmp_path_factory):
    """A small IEMOCAP without audio: two sessions of two speakers, with valence."""
    path = tmp_path_factory.mktemp("iemocap") / "manifest.csv"
    data = [
        replace(u, session=f"iemocap_{1 + i // 8}", speaker=f"iemocap_{1 + i // 8}{'FM'[i % 2]}", valence=1 + i % 5)
        for i, u in enumerate(texts(16, 4, "iemocap"))
    ]
    write_manifest(path, data)
    return path


@pytest.fixture(scope="session")
def reader(tmp_path_factory) -> tuple[str, ...]:
    """Overrides that give the recipe `gemma-text` a tiny LLM."""
    _, mouth = tiny.folders(tmp_path_factory.mktemp("backbones"))
    return (f"llm.model={mouth}", *TINY_TEXT)


@pytest.fixture(scope="session")
def speech(tmp_path_factory):
    """A small MSP-Podcast: official splits, with one broken test recording and one that is too long."""
    folder = tmp_path_factory.mktemp("podcast")
    data = []
    for index, utterance in enumerate(texts(24, 0, "msp_podcast")):
        split = ("train", "val", "test")[index // 8]
        sf.write(folder / f"{index}.wav", tiny.clip(40.0 if index == 22 else 0.4, seed=index), 16_000)
        data.append(replace(utterance, audio=folder / f"{index}.wav", split=split, speaker=f"{split} {index % 2}"))
    (folder / "23.wav").write_bytes(b"no sound")
    write_manifest(folder / "manifest.csv", data)
    return folder / "manifest.csv"


@pytest.fixture(scope="session")
def ears(tmp_path_factory):
    folder, _ = tiny.folders(tmp_path_factory.mktemp("ears"))
    head = "head={layers: 1, width: 16, heads: 2, feedforward: 16}"
    return (f"encoder.model={folder}", head, "phases.ser={epochs: 1, optimiser: {batch_size: 4}}")
