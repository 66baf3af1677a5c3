"""What the tests of the command line share: a corpus made in code, and a tiny run of `emosllm train`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile as sf
import tiny
from commandline import Answer, emosllm, write_rows

EMOTIONS = ("angry", "happy", "neutral", "sad")
SMALL = (
    "labels=iemocap4",
    "phases.p3.corpora=null",
    *(f"phases.{name}.optimiser.batch_size=4" for name in ("p1", "p2", "p3")),
    "phases.p3.epochs=1",
    "inference.max_new_tokens=8",
    "training={save_every: 2, evaluations: 1}",
)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """A manifest of sixteen half-second recordings: four speakers, of whom two train, with four emotions each."""
    folder = tmp_path_factory.mktemp("corpus")
    rows: list[dict[str, object]] = []
    for index in range(16):
        sf.write(folder / f"{index:02}.flac", tiny.clip(0.5, seed=index), 16_000)
        rows.append(
            {
                "path": f"{index:02}.flac",
                "emotion": EMOTIONS[index % 4],
                "speaker": f"speaker {index // 4}",
                "split": ("train", "train", "val", "test")[index // 4],
                "transcript": "Kids are talking by the door.",
            }
        )
    return write_rows(folder / "manifest.csv", rows)


@pytest.fixture(scope="session")
def parts(tmp_path_factory) -> tuple[str, ...]:
    """Overrides that give the recipe `emosllm` tiny parts and a short curriculum."""
    ears, mouth = tiny.folders(tmp_path_factory.mktemp("backbones"))
    return (f"encoder.model={ears}", f"llm.model={mouth}", *tiny.TINY, *SMALL)


@pytest.fixture(scope="session")
def trained(corpus, parts, tmp_path_factory) -> tuple[Path, Answer]:
    """A run of all three phases, and what `train` said."""
    run = tmp_path_factory.mktemp("runs") / "tiny"
    return run, emosllm("train", "emosllm", "--data", corpus, "--out", run, *parts)


@pytest.fixture(scope="session")
def run(trained) -> Path:
    folder, answer = trained
    assert answer.code == 0, answer
    return folder


@pytest.fixture
def clips(corpus) -> list[Path]:
    """Three good recordings."""
    return [corpus.parent / f"{index:02}.flac" for index in range(3)]


@pytest.fixture
def published(tmp_path, monkeypatch) -> Iterator[Path]:
    """A repository with versions 1.3.0 (tables as CSV) and 1.4.1 (as Parquet) of a miniature emodb."""
    pytest.importorskip("audb")
    import audb_repository

    monkeypatch.setenv("AUDB_CACHE_ROOT", str(tmp_path / "cache"))
    monkeypatch.setenv("AUDB_SHARED_CACHE_ROOT", str(tmp_path / "shared"))
    with audb_repository.repository(tmp_path) as place:
        audb_repository.publish(place, tmp_path / "old", "1.3.0", "csv")
        audb_repository.publish(place, tmp_path / "new", "1.4.1")
        yield tmp_path / "host" / "local" / "emodb"
