"""Fixtures for the tests on published weights: the folder of models, real recordings, and skips with their reason."""

import os
from pathlib import Path

import pytest

from emosllm.corpora.manifest import read_manifest

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "emosllm" / "models"
NAMED = os.environ.get("EMOSLLM_MODELS")  # read now: other tests run without it
PLACES = [Path(NAMED)] if NAMED else [ROOT.parent / "models", CACHE]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def models_folder():
    """The folder of models, set for all of these tests, which are skipped if there is none."""
    needed = ("whisper-base", "whisper-tiny.en", "smollm2-135m-instruct")
    found = next((place for place in PLACES if all((place / name / "config.json").is_file() for name in needed)), None)
    if found is None:
        pytest.skip(f"no published weights in {' or '.join(map(str, PLACES))}; EMOSLLM_MODELS names their folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOSLLM_MODELS", str(found))
        yield found


@pytest.fixture(scope="session")
def recordings():
    """Utterances of real speech, by their ids in the corpora's common manifest."""
    if not (DATA / "manifest.csv").is_file():
        pytest.skip(f"no real speech in {DATA}")
    return read_manifest(DATA / "manifest.csv")
