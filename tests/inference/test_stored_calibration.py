"""A temperature beside the weights is found, checked and applied: answers stay, probabilities change as they should."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from emosllm.errors import UserError
from emosllm.inference.loader import load, stored_calibration
from emosllm.inference.stored_calibration import CALIBRATION, StoredCalibration, read_calibration, write_calibration
from emosllm.models.build import build_model, build_processor

FITTED = StoredCalibration(
    temperature=3.0,
    data="manifest.csv",
    digest="ab",
    split="val",
    labels=("angry", "sad"),
    strategy="ser",
    transcripts="own",
    n=20,
    nll_before=2.0,
    nll_after=1.0,
    ece_before=0.3,
    ece_after=0.1,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small system without a temperature."""
    root = tmp_path_factory.mktemp("system")
    recipe = tiny.recipe(root)
    torch.manual_seed(0)
    build_model(recipe).save_pretrained(root / "model")
    build_processor(recipe).save_pretrained(root / "model")
    return root


@pytest.fixture
def calibrated(folder):
    """The same system with one."""
    write_calibration(FITTED, folder / "model" / CALIBRATION)
    yield folder
    (folder / "model" / CALIBRATION).unlink()


def test_what_is_written_is_read(tmp_path):
    assert read_calibration(tmp_path) is None
    write_calibration(FITTED, tmp_path / CALIBRATION)
    assert read_calibration(tmp_path) == FITTED


def test_names_without_a_folder_of_their_own_have_none(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert read_calibration("nobody/has-this") is None
    assert stored_calibration("qwen2-audio") is None


@pytest.mark.parametrize("change", [{"temperature": 0}, {"temperature": "hot"}, {"temperature": None}, {"n": None}])
def test_a_file_that_holds_something_else_is_refused(tmp_path, change):
    write_calibration(FITTED, tmp_path / CALIBRATION)
    content = json.loads((tmp_path / CALIBRATION).read_text()) | change
    (tmp_path / CALIBRATION).write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"{next(iter(change))}: .*; delete it or run `emosllm calibrate` again"):
        read_calibration(tmp_path)
    (tmp_path / CALIBRATION).write_text("{")
    with pytest.raises(UserError, match="the file: "):
        read_calibration(tmp_path)


def test_a_temperature_divides_log_probabilities_and_changes_no_answer(calibrated):
    clip = tiny.clip(0.5)
    plain, warm, hot = (load(calibrated, temperature=t, strategy="ser")(clip) for t in (1.0, None, 1e6))
    assert plain.label == warm.label
    logs = np.log(list(plain.probabilities.values())) / FITTED.temperature
    expected = np.exp(logs) / np.exp(logs).sum()
    assert list(warm.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)
    assert list(hot.probabilities.values()) == pytest.approx([1 / len(logs)] * len(logs), abs=1e-4)


def test_loading_says_where_the_temperature_comes_from(calibrated):
    for name in (calibrated, calibrated / "model"):
        found = load(name)
        assert (found.temperature, found.calibrated) == (3.0, FITTED)
    given = load(calibrated, temperature=2.0)
    assert (given.temperature, given.calibrated) == (2.0, None)


def test_without_a_file_nothing_changes(folder):
    found = load(folder)
    assert (found.temperature, found.calibrated) == (1.0, None)


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_impossible_temperatures(folder, value):
    with pytest.raises(UserError, match="a finite number above 0 is needed"):
        load(folder, temperature=value)


def test_doubts():
    assert FITTED.doubts(("angry", "sad"), "ser", "other") == []
    assert len(replace(FITTED).doubts(("angry",), "transcript-first", "ab")) == 3
