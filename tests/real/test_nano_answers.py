"""nano's answers to a fixed set of real recordings equal the stored ones, which detects other weights or other code."""

import json
from pathlib import Path

import pytest

import emosllm

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
STORED = json.loads((ROOT / "docs" / "results" / "nano.json").read_text(encoding="utf-8"))["handful"]


@pytest.fixture(scope="module")
def nano():
    return emosllm.load("nano", device="cpu")


@pytest.mark.skipif(not DATA.is_dir(), reason="the recordings of the stored answers are not at hand")
@pytest.mark.parametrize("name", STORED)
def test_answers_are_as_stored(nano, name):
    answer = nano(DATA / name)
    assert answer.label == STORED[name]["label"]
    assert answer.probabilities == pytest.approx(STORED[name]["probabilities"], abs=5e-3)
