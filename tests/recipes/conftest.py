"""Fixtures for the tests of the table's rows: real speech if it exists beside the checkout, otherwise synthetic."""

from pathlib import Path

import pytest
import soundfile as sf
import tiny
from commandline import write_rows

SHARED = Path(__file__).parents[3] / "shared" / "data"
FOUR = ("angry", "happy", "neutral", "sad")
SPLITS = ("train", "train", "train", "val", "test")


def real(root: Path) -> list[dict[str, object]]:
    """Five RAVDESS actors, four emotions each."""
    from emosllm.corpora.manifest import read_manifest

    rows: list[dict[str, object]] = []
    for split, actor in zip(SPLITS, ("01", "02", "03", "04", "05"), strict=True):
        found = [u for u in read_manifest(root / "ravdess" / "manifest.csv") if f"Actor_{actor}" in str(u.audio)]
        for emotion in FOUR:
            chosen = next(u for u in found if u.emotion == emotion)
            rows.append(
                {
                    "path": str(chosen.audio),
                    "emotion": emotion,
                    "speaker": actor,
                    "split": split,
                    "transcript": chosen.transcript,
                    "duration": chosen.duration,
                }
            )
    return rows


def made(folder: Path) -> list[dict[str, object]]:
    """The same recordings as synthetic harmonics."""
    rows: list[dict[str, object]] = []
    for number, split in enumerate(SPLITS):
        for index, emotion in enumerate(FOUR):
            path = folder / f"{number}{index}.flac"
            sf.write(path, tiny.clip(0.8 + 0.1 * index, seed=4 * number + index), 16_000)
            rows.append(
                {
                    "path": path.name,
                    "emotion": emotion,
                    "speaker": f"speaker {number}",
                    "split": split,
                    "transcript": "Kids are talking by the door.",
                    "duration": 0.8 + 0.1 * index,
                }
            )
    return rows


@pytest.fixture(scope="session")
def speech(tmp_path_factory) -> Path:
    """A manifest of twenty recordings of five speakers: three to train, one to validate, one to test."""
    folder = tmp_path_factory.mktemp("speech")
    rows = real(SHARED) if (SHARED / "ravdess" / "manifest.csv").is_file() else made(folder)
    return write_rows(folder / "manifest.csv", rows)
