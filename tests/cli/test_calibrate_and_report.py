"""From validation to a temperature, from evaluations to a page, on the command line; mistakes are one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commandline import emosllm, refused, write_rows

from emosllm.inference.stored_calibration import CALIBRATION, read_calibration
from emosllm.reporting.evaluations import compare_evaluations

MANIFEST = Path(__file__).parents[2] / "demo" / "corpus" / "manifest.csv"
VAL = ("--data", MANIFEST, "--split", "train", "--strategy", "ser")  # nano was trained on none of these clips


def report_of(folder: Path):
    return json.loads((folder / "report.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    """A copy of nano that is ours to calibrate."""
    folder = tmp_path_factory.mktemp("nano") / "mine"
    assert emosllm("export", "nano", "--out", folder).code == 0
    (folder / "calibration.json").unlink()  # nano's own
    return folder


@pytest.fixture(scope="module")
def evaluated(nano, tmp_path_factory):
    """Evaluated before and after `calibrate`, and what that said."""
    root = tmp_path_factory.mktemp("evaluated")
    assert emosllm("evaluate", nano, *VAL, "--out", root / "before").code == 0
    said = emosllm("calibrate", nano, *VAL)
    assert said.code == 0, said
    assert emosllm("evaluate", nano, *VAL, "--out", root / "after", "--abstain-below", "0.3").code == 0
    return root / "before", root / "after", said


@pytest.mark.parametrize("verb", ["calibrate", "report"])
def test_help_has_an_example(verb):
    answer = emosllm(verb, "--help")
    assert answer.code == 0
    assert f"Example: emosllm {verb}" in " ".join(answer.out.split())


def test_calibrating_lowers_nll_and_changes_no_answer(nano, evaluated):
    before, after, said = evaluated
    kept = read_calibration(nano)
    assert f"temperature {kept.temperature:.3f}, fitted on 72 clips" in said.out
    one, other = (report_of(folder) for folder in (before, after))
    nlls = [each["confidence"]["calibration"]["nll"] for each in (one, other)]
    assert nlls[1] < nlls[0]
    assert np.allclose(nlls, (kept.nll_before, kept.nll_after), atol=2e-3)
    assert other["confidence"]["as_given"]["nll"] == pytest.approx(nlls[0], abs=2e-3)
    assert other["confidence"]["temperature"] == kept.temperature
    assert one["scores"] == other["scores"]
    assert other["provenance"]["calibration"]["temperature"] == kept.temperature


def test_evaluate_says_that_it_was_calibrated_and_on_what(evaluated):
    _, after, _ = evaluated
    text = (after / "report.md").read_text("utf-8")
    assert "Probabilities are at temperature" in text
    assert "fitted on these very clips" in text
    assert "Answering only with a confidence of 0.3 or more" in text
    selective = report_of(after)["selective"]
    assert (selective["threshold"], selective["n"]) == (0.3, 72)


def test_export_passes_the_temperature_on(nano, evaluated, tmp_path):
    assert emosllm("export", nano, "--out", tmp_path / "out").code == 0
    assert read_calibration(tmp_path / "out") == read_calibration(nano)


def test_report_writes_a_page_and_text(evaluated, tmp_path):
    before, after, _ = evaluated
    page = tmp_path / "new" / "report.html"
    answer = emosllm("report", before, after, "--out", page, "--audio")
    assert (answer.code, answer.out, answer.err) == (0, "", f"{page}: written\n")
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "data:audio/" in text
    for format, words in (("markdown", "## Differences"), ("latex", r"\toprule")):
        printed = emosllm("report", before, after, "--format", format)
        assert (printed.code, printed.err) == (0, "")
        assert words in printed.out
    assert emosllm("report", before, "--out", tmp_path / "row.tex").code == 0
    assert r"\begin{tabular}" in (tmp_path / "row.tex").read_text("utf-8")


def test_two_evaluations_of_one_system_are_told_apart(evaluated):
    side = compare_evaluations(evaluated[:2])
    assert [run.name.rpartition(" ")[2] for run in side.evaluations] == ["(before)", "(after)"]
    assert side.comparisons.scores[0].mcnemar.p_exact == 1


def test_what_a_trained_run_leaves_in_the_report(run, corpus, tmp_path):
    out = tmp_path / "out"
    chosen = ("--data", corpus, "--split", "test", "--out", out)
    assert emosllm("evaluate", run, *chosen, "--answers", "generate").code == 0
    report = report_of(out)
    notes = json.loads((run / "run.json").read_text("utf-8"))
    origin = report["provenance"]
    assert origin["training"]["data"] == notes["data"]
    assert origin["training"]["seed"] == notes["seed"]
    assert origin["recipe"]["name"] == "emosllm"
    assert report["answer"] == "generate"
    said = [json.loads(line) for line in (out / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert report["unnamed"] == sum(line["unnamed"] for line in said)
    text = emosllm("report", out).out
    assert f"Text that named no label: {report['unnamed']} of 4, counted as no answer." in text
    assert notes["data"] in text


def test_a_sweep_is_made_when_asked_for(run, corpus, tmp_path):
    chosen = ("--data", corpus, "--split", "test", "--strategy", "ser", "--out", tmp_path)
    answer = emosllm("evaluate", run, *chosen, "--robustness", "clipping, A-law")
    assert answer.code == 0, answer
    found = report_of(tmp_path)["robustness"]
    assert [point["condition"] for point in found["points"]] == ["clipping"] * 4 + ["A-law"]
    assert found["clean"]["ua"] == report_of(tmp_path)["scores"]["ua"]
    assert "clipping 30 UA" in answer.err
    (tmp_path / "robustness" / "A-law_64.json").unlink()  # as if it had been stopped there
    sounds = [path.stat().st_mtime_ns for path in sorted((tmp_path / "robustness").glob("clipping*"))]
    again = emosllm("evaluate", run, *chosen, "--robustness", "clipping, A-law", "--resume")
    assert again.code == 0, again
    assert report_of(tmp_path)["robustness"] == found
    assert sounds == [path.stat().st_mtime_ns for path in sorted((tmp_path / "robustness").glob("clipping*"))]
    other = ("evaluate", run, *chosen, "--robustness", "clipping", "--seed", 7, "--resume")
    assert "holds a sweep of another system, other data or other settings" in refused(*other)
    assert "give --out DIR" in refused("evaluate", run, *chosen[:-2], "--robustness", "clipping", "--resume")


def test_mistakes_of_calibrate(run, corpus, tmp_path):
    assert "nano is not a local folder" in refused("calibrate", "nano", "--data", corpus)
    assert "nowhere is not a local folder" in refused("calibrate", "nowhere", "--data", corpus)
    assert "no utterance of split 'exam'" in refused("calibrate", run, "--data", corpus, "--split", "exam")
    rows = [{"path": str(corpus.parent / "00.flac"), "emotion": "bored", "split": "val"}]
    bored = write_rows(tmp_path / "m.csv", rows)
    assert "to calibrate on" in refused("calibrate", run, "--data", bored)
    assert not (run / "model" / CALIBRATION).exists()


def test_mistakes_of_evaluate(run, corpus):
    asked = ("evaluate", run, "--data", corpus)
    assert "unknown condition 'thunder'" in refused(*asked, "--robustness", "thunder")
    assert "temperature 0.0: a finite number above 0" in refused(*asked, "--temperature", "0")
    wrong = refused(*asked, "--abstain-below", "0.5", "--answers", "generate")
    assert "free answers have none; use --answers score" in wrong


def test_mistakes_of_report(run, evaluated, tmp_path):
    before, _, _ = evaluated
    page = ("--out", tmp_path / "page.html")
    assert f"{tmp_path / 'report.json'} is missing" in refused("report", tmp_path, *page)
    assert f"{run} is a training run" in refused("report", run, *page)
    assert "give --out report.html" in refused("report", before, "--format", "html")
    assert "cannot choose a format" in refused("report", before, "--out", tmp_path / "page.doc")
    assert "cannot contain audio" in refused("report", before, "--audio")
    assert "is given twice" in refused("report", before, before, *page)
    lame = tmp_path / "lame"
    shutil.copytree(before, lame)
    (lame / "predictions.jsonl").unlink()
    assert "predictions.jsonl is missing" in refused("report", lame, *page)
    lines = (before / "predictions.jsonl").read_text("utf-8").splitlines(keepends=True)
    (lame / "predictions.jsonl").write_text("".join(lines[1:]), "utf-8")
    assert "1 clips only in the first" in refused("report", before, lame, *page)
    (lame / "predictions.jsonl").write_text("{}\n", "utf-8")
    assert "holds no complete report" in refused("report", lame, *page)
    assert not (tmp_path / "page.html").exists()
