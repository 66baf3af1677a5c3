"""Cues are measured once in a run, on every recording, and their levels equal those of a new measurement."""

import io
import json
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from emosllm.audio import open_recording
from emosllm.inference import clips as clips_module
from emosllm.inference.recogniser import Recogniser
from emosllm.models.checkpoints.checkpoint import read_weights
from emosllm.prompting.cues import CUE_SETS, CUES, Thresholds, measure_all
from emosllm.training import dataset as dataset_module
from emosllm.training import run as run_module
from emosllm.training.cue_cache import MeasuredCues
from emosllm.training.dataset import PhaseDataset, load_utterance
from emosllm.training.phase_plan import plan_phases
from emosllm.training.run_data import RunData

pytest.importorskip("parselmouth")

EPOCHS = ("prompt.cues=praat", "phases.p3.epochs=3", "training.evaluations=2")


@pytest.fixture
def measured(monkeypatch):
    """Count how often each clip is measured, by its samples."""
    counts = Counter()
    known = CUE_SETS["praat"]

    def measure(samples):
        counts[samples.tobytes()] += 1
        return known.measure(samples)

    monkeypatch.setitem(CUE_SETS, "praat", replace(known, measure=measure))
    return counts


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_run):
    """A run with cues and cached frames, and how often clips were measured and recordings read in its epochs."""
    folder = tmp_path_factory.mktemp("cues") / "run"
    counts, read = Counter(), []
    known = CUE_SETS["praat"]

    def measure(samples):
        counts[samples.tobytes()] += 1
        return known.measure(samples)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CUE_SETS, "praat", replace(known, measure=measure))
        patch.setattr(dataset_module, "load_utterance", lambda one: read.append(one.id) or load_utterance(one))
        patch.setattr(clips_module, "open_recording", lambda *a, **b: read.append(a) or open_recording(*a, **b))
        run = make_run(folder, *EPOCHS)
        run.train()
    return run, counts, read


def test_each_recording_is_measured_once_and_none_is_read_again(trained, utterances):
    _, counts, read = trained
    assert counts == Counter(load_utterance(one).tobytes() for one in utterances)
    assert read == []


def test_a_run_is_the_run_that_measures_every_time(trained, make_run, tmp_path, monkeypatch, measured):
    run, _, _ = trained
    monkeypatch.setattr(run_module, "PhaseDataset", lambda *given: PhaseDataset(*given[:7]))
    monkeypatch.setattr(run_module, "Recogniser", lambda *given, measured, **more: Recogniser(*given, **more))
    make_run(tmp_path / "run", *EPOCHS).train()
    assert measured.total() > 4 * len(measured)
    for place in ("phases/1-p1/kept", "phases/2-p2/kept", "phases/3-p3/kept", "model"):
        ours, anew = (read_weights(folder / place) for folder in (run.folder, tmp_path / "run"))
        assert ours.keys() == anew.keys()
        assert all(torch.equal(ours[name], anew[name]) for name in ours), place
    one, other = (json.loads((folder / "run.json").read_text()) for folder in (run.folder, tmp_path / "run"))
    assert {**one["phases"]["p3"], "seconds": 0} == {**other["phases"]["p3"], "seconds": 0}


def test_conversations_equal_those_of_newly_measured_cues(trained):
    run, _, _ = trained
    processor = run._processor({})
    for number, (name, plan) in enumerate(plan_phases(run.recipe, run.data.train).items(), start=1):
        kept = run._dataset(number, name, plan, processor)
        anew = PhaseDataset(plan, run.data.train, processor, kept.phase, kept.seed)
        assert kept.measured is not None
        told = [kept[index].conversation for index in range(len(plan))]
        assert told == [anew[index].conversation for index in range(len(plan))]
        assert any("pitch" in one.user for one in told)


def quietly(data, folder, name="praat"):
    return MeasuredCues.of_run(name, data, folder, 0, Console(file=io.StringIO()))


def test_what_was_measured_comes_back_to_the_last_bit(tmp_path, make_recipe, utterances, measured):
    hiss = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)  # nothing voiced: NaN, all but loudness
    first = replace(utterances[0], audio=hiss)
    data = RunData.of([first, *utterances[1:]], make_recipe())
    new = quietly(data, tmp_path)
    assert measured.total() == len(utterances)
    again = quietly(data, tmp_path)
    assert measured.total() == len(utterances)
    everything = [*data.train, *data.val]
    for utterance, values in zip(everything, measure_all("praat", everything), strict=True):
        for known in (new, again):
            assert list(known(utterance)) == list(CUES)
            np.testing.assert_equal(known(utterance), values)
    assert math.isnan(again(first)["jitter"])
    assert again.thresholds == Thresholds.fit("praat", measure_all("praat", data.train))
    assert {path.name for path in tmp_path.iterdir()} == {"cues.json", "thresholds.json"}
    kept = json.loads((tmp_path / "cues.json").read_text())
    assert [row["utterance"] for row in kept["values"]] == [one.id for one in everything]


@pytest.mark.parametrize("fault", ["other data", "other order", "other cues", "half", "not a number", "no table"])
def test_cues_of_other_data_are_measured_again(tmp_path, make_recipe, utterances, measured, fault):
    data = RunData.of(utterances, make_recipe())
    quietly(data, tmp_path)
    path = tmp_path / "cues.json"
    kept = json.loads(path.read_text())
    if fault == "other data":
        kept["data"] = "0" * 32
    elif fault == "other order":
        kept["values"].reverse()
    elif fault == "other cues":
        kept["cues"] = "librosa"
    elif fault == "not a number":
        kept["values"][0]["pitch"] = "high"
    path.write_text({"half": json.dumps(kept)[:300], "no table": "[]"}.get(fault, json.dumps(kept)))
    before = measured.total()
    again = quietly(data, tmp_path)
    assert measured.total() == before + len(utterances)
    assert again(utterances[0]) == CUE_SETS["praat"].measure(load_utterance(utterances[0]))
    assert json.loads(path.read_text())["data"] == data.digest


def test_two_manifests_may_use_one_id(tmp_path, make_recipe, utterances):
    same = [replace(one, id="001") for one in utterances]
    data = RunData.of(same, make_recipe())
    known = quietly(data, tmp_path)
    assert known(same[0]) != known(same[1])
    assert known(same[1]) == CUE_SETS["praat"].measure(load_utterance(same[1]))
