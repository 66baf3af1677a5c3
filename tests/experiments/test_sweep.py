"""Sweeps: figures equal those of the stored predictions, and an interruption changes nothing and repeats nothing."""

import json
import signal
from dataclasses import replace
from statistics import fmean, stdev

import pytest
from letters import figures_in, texts
from processes import exit_code_of, fatal_call
from recorded_trainings import record_trainings

from emosllm.corpora.manifest import write_manifest
from emosllm.errors import UserError
from emosllm.evaluation.answers import read_answers
from emosllm.evaluation.metrics import score
from emosllm.experiments import experiment as runs_module
from emosllm.experiments.sweep import SweepSettings, sweep
from emosllm.recipe import load_recipe
from emosllm.training.phase_trainer import PhaseTrainer
from emosllm.training.run import Run

GRID = ("lora.rank=2,4", "lora.alpha=4,8")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    path = tmp_path_factory.mktemp("letters") / "manifest.csv"
    held = [replace(u, split="test", speaker=f"held {i % 2}") for i, u in enumerate(texts(4, start=100))]
    write_manifest(path, [*texts(24, 6), *held])
    return path


@pytest.fixture(scope="module")
def go(reader, manifest):
    def go(out, *overrides, **settings):
        return sweep("gemma-text", (*reader, *overrides), [manifest], out, SweepSettings(**{"folds": 2, **settings}))

    return go


@pytest.fixture(scope="module")
def plain(go, tmp_path_factory):
    """An uninterrupted grid of four combinations on two folds."""
    out = tmp_path_factory.mktemp("sweeps") / "plain"
    return out, go(out, *GRID)


def test_the_folder_holds_all_runs_and_the_results(plain):
    out, results = plain
    assert {path.name for path in out.iterdir()} == {
        "experiment.json", "runs", "scores", "results.json", "results.md", "results.png", "results.svg",
    }  # fmt: skip
    assert json.loads((out / "results.json").read_text())["rows"][0]["name"] == "lora.rank=2 lora.alpha=4"
    assert len(list(out.glob("runs/*/fold-*-seed-*/model/config.json"))) == 8
    assert results.keys == {"lora.rank": ["2", "4"], "lora.alpha": ["4", "8"]}
    assert results.figure == "macro_f1"  # the recipe's training.choose_by
    assert results.notes[0] == "4 clips of the test split were left alone."
    assert not list(out.rglob("*.tmp"))


def test_the_figures_are_those_of_the_predictions(plain):
    out, results = plain
    names = ("angry", "happy", "neutral", "sad")
    for row in results.rows:
        folder = out / row.report
        folds = [read_answers(folder / fold) for fold in ("fold-1", "fold-2")]
        found = [score(each.reference, each.predicted, names).macro_f1 for each in folds]
        assert [run["macro_f1"] for run in row.runs] == pytest.approx(found)
        assert row.mean == pytest.approx(fmean(found))
        assert row.sd == pytest.approx(stdev(found))
        whole = read_answers(folder)
        assert sorted(whole.ids) == sorted(u.id for u in texts(24, 6))
        assert sorted(whole.ids) == sorted(folds[0].ids + folds[1].ids)
        assert row.pooled == pytest.approx(score(whole.reference, whole.predicted, names).macro_f1)
        assert row.interval.low <= row.pooled <= row.interval.high


def test_each_training_has_its_recipe_its_seed_and_its_fold(plain):
    out, _ = plain
    seen = set()
    for notes in out.glob("runs/*/*/run.json"):
        found = json.loads(notes.read_text())
        fold = notes.parent.name
        assert found["seed"] == found["recipe"]["training"]["seed"] == {"fold-1-seed-0": 0, "fold-2-seed-1": 1}[fold]
        assert found["val"] == 0  # no weights were selected on the reported clips
        seen.add((found["recipe"]["lora"]["rank"], found["recipe"]["lora"]["alpha"], fold))
    assert len(seen) == 8


def test_the_best_is_the_highest_and_called_optimistic(plain):
    out, results = plain
    assert results.best.mean == max(row.mean for row in results.rows)
    page = (out / "results.md").read_text()
    assert page.count(f"**{results.best.mean:.3f} ± {results.best.sd:.3f}**") == 1
    assert "and therefore optimistic" in page
    assert "The last weights of each training were taken" in page


def dying(go, out, count, resume):
    """Continue a sweep in another process, which kills itself at its count-th weight update or rename."""

    def live():
        tick = fatal_call(count)
        step, write = PhaseTrainer.training_step, runs_module.write_report
        PhaseTrainer.training_step = lambda *values: (step(*values), tick())[0]
        runs_module.write_report = lambda *values: (tick(), write(*values), tick())[1]
        go(out, *GRID, resume=resume)

    return exit_code_of(live, 200)


def test_a_sweep_killed_again_and_again_arrives_at_the_same_results(plain, go, tmp_path):
    out, lives = tmp_path / "sweep", 0
    while dying(go, out, 14, resume=lives > 0) == -signal.SIGKILL:
        lives += 1
        assert lives < 12
    assert lives >= 2
    assert figures_in(out) == figures_in(plain[0])
    pages = [(each / "results.md").read_text().splitlines() for each in (out, plain[0])]
    assert len({tuple(line for line in page if not line.startswith("- Hours:")) for page in pages}) == 1


def test_finished_runs_are_not_repeated_and_a_grid_may_grow(plain, go, tmp_path, monkeypatch):
    out, first = tmp_path / "sweep", plain[1]
    go(out, "lora.rank=2,4", "lora.alpha=4")
    seen = record_trainings(monkeypatch)
    again = go(out, "lora.rank=2,4", "lora.alpha=4", resume=True)
    assert seen == []
    grown = go(out, *GRID, resume=True)
    assert len(seen) == 4
    assert all("alpha=8" in str(folder) for folder in seen)
    assert [row.mean for row in grown.rows] == [row.mean for row in first.rows]
    assert [row.mean for row in again.rows] == [first.rows[0].mean, first.rows[2].mean]


def test_strategies_share_a_training_and_models_can_be_dropped(go, tmp_path, monkeypatch):
    seen = record_trainings(monkeypatch)
    results = go(tmp_path / "out", "inference.answer=score,generate", keep_models=False)
    assert len(seen) == 2
    assert len(results.rows) == 2
    assert not list(tmp_path.rglob("*.safetensors"))
    assert len(list(tmp_path.rglob("run.json"))) == 2
    go(tmp_path / "out", "inference.answer=score,generate", resume=True)
    assert len(seen) == 2


def test_several_seeds(go, tmp_path):
    results = go(tmp_path / "out", seeds=2)
    (row,) = results.rows
    means = [fmean(run["macro_f1"] for run in row.runs if run["seed"] == seed) for seed in (0, 1)]
    assert row.over_seeds.n == 2
    assert row.over_seeds.mean == pytest.approx(fmean(means))
    assert row.over_seeds.sd == pytest.approx(stdev(means))
    assert {int(path.parent.name.rpartition("-")[2]) for path in tmp_path.rglob("run.json")} == {0, 1, 1000, 1001}


def test_weights_chosen_on_what_is_reported_are_called_optimistic(go, tmp_path):
    results = go(tmp_path / "out", choose_weights=True)
    assert results.chosen.startswith("OPTIMISTIC")
    for notes in tmp_path.rglob("run.json"):
        assert json.loads(notes.read_text())["val"] == 12
    with pytest.raises(UserError, match="begun with another way to choose weights"):
        go(tmp_path / "out", resume=True)


def test_one_fold_is_the_manifests_own(reader, tmp_path):
    data = [replace(u, split="train" if i < 16 else "val") for i, u in enumerate(texts(24, 6))]
    write_manifest(tmp_path / "m.csv", data)
    results = sweep("gemma-text", reader, [tmp_path / "m.csv"], tmp_path / "out", SweepSettings(folds=1))
    assert results.folds == {"fold-1": {"train": 16, "val": 0, "test": 8}}
    assert results.rows[0].sd is None
    report = json.loads((tmp_path / "out" / results.rows[0].report / "report.json").read_text())
    assert report["split"] == "val"  # the scored part is not the test split, and its report says so


def test_what_does_not_fit_in_memory_fails_alone(go, tmp_path, monkeypatch):
    import torch

    train = Run.train

    def tight(self, *values, **named):
        if self.recipe.lora.rank == 4:
            raise torch.OutOfMemoryError
        return train(self, *values, **named)

    monkeypatch.setattr(Run, "train", tight)
    results = go(tmp_path / "out", "lora.rank=2,4")
    assert [row.mean is None for row in results.rows] == [False, True]
    assert results.rows[1].failed == ("fold-1, seed 0: out of memory", "fold-2, seed 0: out of memory")
    assert "failed" in (tmp_path / "out" / "results.md").read_text()
    monkeypatch.undo()
    assert all(row.mean is not None for row in go(tmp_path / "out", "lora.rank=2,4", resume=True).rows)


def test_folders_in_use_and_other_data_are_refused(plain, go, tmp_path, reader):
    with pytest.raises(UserError, match="holds an experiment: continue it with --resume"):
        go(plain[0], *GRID)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="not empty and holds no experiment"):
        go(tmp_path, *GRID)
    write_manifest(tmp_path / "other.csv", texts(24, 6, start=4))
    with pytest.raises(UserError, match="begun with another data or folds"):
        sweep("gemma-text", reader, [tmp_path / "other.csv"], plain[0], SweepSettings(folds=2, resume=True))


def test_a_recipe_without_phases_is_not_swept(manifest, tmp_path):
    assert not load_recipe("emotion2vec").phases
    with pytest.raises(UserError, match="has no phases"):
        sweep("emotion2vec", (), [manifest], tmp_path / "out", SweepSettings(folds=2))
    assert not (tmp_path / "out").exists()
