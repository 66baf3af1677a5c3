"""IEMOCAP in miniature, all the way: its ratings into a manifest, through `evaluate` into reports, and side by side."""

import csv
import json

import numpy as np
import pytest
import soundfile as sf
import tiny
from commandline import emosllm

from emosllm.evaluation.concordance import ccc

LABELS = {"ang": (1.5, 4.0), "hap": (4.5, 3.5), "neu": (3.0, 2.5), "sad": (2.0, 1.5)}


def lay_iemocap(root):
    """Two sessions of eight turns with sound, rated as actors are: each class around a place of its own."""
    rng = np.random.default_rng(0)
    for session in (1, 2):
        dialogue, lines = f"Ses0{session}F_impro01", ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        folder = root / f"Session{session}"
        wav = folder / "sentences" / "wav" / dialogue
        for place in (wav, folder / "dialog" / "EmoEvaluation", folder / "dialog" / "transcriptions"):
            place.mkdir(parents=True)
        words = []
        for turn in range(8):
            word = list(LABELS)[turn % 4]
            name = f"{dialogue}_{'FM'[turn % 2]}{turn:03}"
            v, a = (place + rng.normal(0, 0.3) for place in LABELS[word])
            lines += [f"[{turn}.0000 - {turn}.5000]\t{name}\t{word}\t[{v:.4f}, {a:.4f}, {3 + turn % 2:.4f}]", ""]
            words.append(f"{name} [00{turn}.0000-00{turn}.5000]: Excuse me.")
            sf.write(wav / f"{name}.wav", tiny.clip(0.5, seed=10 * session + turn), 16_000)
        (folder / "dialog" / "EmoEvaluation" / f"{dialogue}.txt").write_text("\n".join(lines) + "\n")
        (folder / "dialog" / "transcriptions" / f"{dialogue}.txt").write_text("\n".join(words) + "\n")
    return root


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """What `prepare` writes, session 1 made the training part and session 2 the test part."""
    root = lay_iemocap(tmp_path_factory.mktemp("iemocap"))
    path = root / "iemocap.csv"
    assert emosllm("prepare", "iemocap", root, "--out", path).code == 0
    assert "on 1 to 5" in (root / "iemocap.csv.datasheet.md").read_text("utf-8")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(1 <= float(row["valence"]) <= 5 for row in rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"split": "train" if row["session"] == "iemocap_1" else "test"} for row in rows)
    return path


@pytest.fixture(scope="module")
def evaluated(run, manifest, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports")
    answers = []
    for strategy in ("ser", "transcript-in-prompt"):
        answers.append(
            emosllm(
                "evaluate", run, "--data", manifest, "--split", "test", "--strategy", strategy, "--out", out / strategy
            )
        )
        assert answers[-1].code == 0, answers[-1]
    return out / "ser", out / "transcript-in-prompt", answers[0]


def test_evaluate_reads_every_dimension_and_tells_floor_and_ceiling(evaluated):
    folder, _, answer = evaluated
    for words in (
        "CCC valence",
        "CCC arousal",
        "CCC dominance",
        "always the mean 0.000, true classes",
        "not regressed",
    ):
        assert words in " ".join(answer.out.split())
    found = json.loads((folder / "report.json").read_text("utf-8"))["dimensions"]["iemocap"]
    assert list(found) == ["valence", "arousal", "dominance"]
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text("utf-8").splitlines()]
    for dimension, reading in found.items():
        assert (reading["scores"]["n"], reading["learned"], reading["scale"]) == (8, 8, [1, 5])
        read = [sum(row["probabilities"][name] * mean for name, mean in reading["means"].items()) for row in rows]
        assert reading["scores"]["ccc"] == pytest.approx(ccc([row[dimension] for row in rows], read), abs=1e-3)
    assert found["valence"]["ceiling"] > 0.9 > found["valence"]["scores"]["ccc"]
    assert found["valence"]["means"]["angry"] == pytest.approx(1.5, abs=0.5)
    assert "Valence, arousal, dominance" in (folder / "report.md").read_text("utf-8")


def test_the_page_of_two_reports_has_them_side_by_side(evaluated, tmp_path):
    first, second, _ = evaluated
    assert emosllm("report", first, second, "--out", tmp_path / "page.html").code == 0
    text = (tmp_path / "page.html").read_text("utf-8")
    assert 'id="valence-arousal-dominance"' in text
    assert text.count("dimensions/iemocap/valence/scores/ccc") == 2
    assert "CCC, the first" in text


def test_without_a_split_nothing_is_left_to_measure_the_means_on(run, manifest, tmp_path):
    assert emosllm("evaluate", run, "--data", manifest, "--strategy", "ser", "--out", tmp_path).code == 0
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["dimensions"] == {}
    assert "select the scored part with --split test" in report["unmeasured"]["valence of iemocap"]
