"""`emosllm report` on the folders of protocols, sweeps and studies: one page, several systems, and their origin."""

import json

import pytest
from letters import texts

from emosllm.corpora.manifest import write_manifest
from emosllm.errors import UserError
from emosllm.evaluation.provenance import digest_of
from emosllm.experiments.protocols.evaluation import ProtocolSettings, evaluate_protocol
from emosllm.experiments.sweep import SweepSettings, sweep
from emosllm.reporting.evaluations import compare_evaluations
from emosllm.reporting.formats.html_page import render_page
from emosllm.reporting.formats.markdown_page import markdown_page


@pytest.fixture(scope="module")
def protocols(reader, turns, tmp_path_factory):
    """Two systems under one protocol, the first with two seeds."""
    root = tmp_path_factory.mktemp("protocols")
    one = ProtocolSettings(root / "one", partial=True, seeds=2)
    first = evaluate_protocol("iemocap-loso", "gemma-text", [turns], reader, one)
    other = ProtocolSettings(root / "other", partial=True)
    evaluate_protocol("iemocap-loso", "gemma-text", [turns], (*reader, "lora={rank: 4, alpha: 8}"), other)
    return root / "one", root / "other", *first


def test_where_a_protocols_figures_come_from(protocols):
    out, _, results, report = protocols
    (row,) = results.rows
    assert row.origin.recipe["name"] == "gemma-text"
    assert list(row.origin.trainings) == [f"fold-iemocap_{k}, seed {s}" for s in (0, 1) for k in (1, 2)]
    runs = {(r["data"], r["seed"]) for r in (json.loads(p.read_text()) for p in out.rglob("run.json"))}
    assert {(each.data, each.seed) for each in row.origin.trainings.values()} == runs
    assert row.origin.hours_trained == pytest.approx(sum(t.seconds for t in row.origin.trainings.values()) / 3600)
    assert row.origin.hours_trained > 0
    assert set(results.hardware) == {"machine", "threads", "gpu"}
    assert set(results.hashes) == {"fold-iemocap_1", "fold-iemocap_2"}
    clips = texts(16, 4, "iemocap")
    assert digest_of(clips[:8]) != digest_of(clips[8:])
    assert results.hashes["fold-iemocap_1"]["train"] == results.hashes["fold-iemocap_2"]["test"]
    assert set(report.provenance.trainings) == {"fold-iemocap_1", "fold-iemocap_2"}
    assert {each.seed for each in report.provenance.trainings.values()} == {0, 1}
    kept = json.loads((out / "results.json").read_text())
    assert kept["rows"][0]["origin"]["recipe"]["lora"]["rank"] == 2
    page = (out / "results.md").read_text()
    assert "of training (4 runs)" in page
    assert results.hashes["fold-iemocap_1"]["test"][:12] in page


def test_several_seeds_have_a_mean_over_folds_and_one_over_all_clips(protocols):
    out, _, results, _ = protocols
    (row,) = results.rows
    pooled = [json.loads(path.read_text())["scores"]["ua"] for path in sorted(out.glob("scores/*/seed-*/report.json"))]
    assert (row.pooled_over_seeds.n, row.pooled_over_seeds.mean) == (2, pytest.approx(sum(pooled) / 2))
    assert row.over_seeds.n == 2
    assert "all clips, over 2 seeds ± sd" in (out / "results.md").read_text()


def test_a_protocols_folder_is_a_page(protocols):
    side = compare_evaluations([protocols[0]])
    assert side.evaluations[0].report == protocols[3]
    text = markdown_page(side)
    assert "## Folds and seeds" in text
    assert "gemma-text on iemocap-loso (PARTIAL)" in text
    assert "2 trainings" in text
    assert "The resolved recipe of gemma-text" in text
    page = render_page(side)
    assert page.startswith("<!doctype html>")
    assert "Folds and seeds" in page
    assert protocols[3].provenance.trainings["fold-iemocap_1"].data in page


def test_two_protocols_are_compared_on_the_same_clips(protocols):
    side = compare_evaluations(protocols[:2])
    assert [run.name for run in side.evaluations] == ["gemma-text (one)", "gemma-text (other)"]
    (pair,) = side.comparisons.scores
    assert pair.n == 16
    told = pair.mcnemar
    assert told.both + told.only_first + told.only_second + told.neither == 16
    assert "McNemar" in markdown_page(side)


def test_a_sweeps_folder_is_its_systems(reader, tmp_path):
    write_manifest(tmp_path / "m.csv", texts(16, 4))
    settings = SweepSettings(folds=2)
    sweep("gemma-text", (*reader, "lora.rank=2,4"), [tmp_path / "m.csv"], tmp_path / "grid", settings)
    side = compare_evaluations([tmp_path / "grid"])
    assert [run.name for run in side.evaluations] == ["gemma-text (lora.rank=2)", "gemma-text (lora.rank=4)"]
    assert len(side.comparisons.scores) == 1
    assert side.evaluations[1].report.provenance.recipe["lora"]["rank"] == 4
    results = json.loads((tmp_path / "grid" / "results.json").read_text())
    more = [{**results["rows"][0], "name": f"row {n}", "mean": n / 10} for n in range(9)]
    (tmp_path / "grid" / "results.json").write_text(json.dumps({**results, "rows": [*results["rows"], *more]}))
    from emosllm.reporting.evaluation_folders import find_evaluations

    found, notes = find_evaluations([tmp_path / "grid"], 6)
    assert [each.row["name"] for each in found] == [f"row {n}" for n in range(3, 9)]
    assert "the 6 best of 11 systems" in notes[0]


def test_experiments_without_figures_are_refused(protocols, tmp_path):
    (tmp_path / "experiment.json").write_text("{}")
    with pytest.raises(UserError, match=r"holds an experiment without results: .*--resume"):
        compare_evaluations([tmp_path])
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(UserError, match=r"results\.json is damaged"):
        compare_evaluations([tmp_path])
    kept = json.loads((protocols[0] / "results.json").read_text())
    kept["rows"][0]["failed"] = ["fold-iemocap_1, seed 0: out of memory"]
    (tmp_path / "results.json").write_text(json.dumps(kept))
    with pytest.raises(UserError, match="no system has a figure over all folds"):
        compare_evaluations([tmp_path])
