"""A report has the right counts, and its files are complete and can be read again."""

import json
import os
import re
import subprocess
import sys

import pytest

from emosllm.errors import UserError
from emosllm.evaluation.metrics import score
from emosllm.evaluation.report_builder import build_report, versions_here
from emosllm.labels import label_set
from emosllm.reporting.formats.markdown_page import markdown_report
from emosllm.reporting.report_files import write_report
from emosllm.utterance import Prediction, Utterance

EKMAN = label_set("ekman7")


def said(name, emotion, speaker="a_1", corpus="a", transcript="kids are talking"):
    return Utterance(name, emotion=emotion, speaker=speaker, corpus=corpus, transcript=transcript)


def answered(name, label, transcript="kids are talking"):
    rest = 0.4 / (len(EKMAN.names) - 1)
    return Prediction(name, label, {other: 0.6 if other == label else rest for other in EKMAN.names}, transcript)


UTTERANCES = [
    said("1.wav", "angry"),
    said("2.wav", "calm", speaker="a_2"),
    said("3.wav", "sad", speaker="a_2", transcript=None),
    said("4.wav", "bored"),
    said("5.wav", None),
    said("6.wav", "sad", speaker="b_1", corpus="b|x"),
    said("7.wav", "happy", speaker=None, corpus="b|x"),
]
PREDICTIONS = [
    answered("1.wav", "angry"),
    answered("2.wav", "neutral", "kids were talking"),
    answered("3.wav", "angry"),
    answered("4.wav", "sad"),
    answered("5.wav", "sad"),
    Prediction("6.wav", error="cannot read 6.wav: empty"),
    answered("7.wav", "happy"),
]


def report(**options):
    known = {"model": "nano", "data": "manifest.csv", "split": "test", "transcripts_from": "model", "seconds": 1.5}
    return build_report(UTTERANCES, PREDICTIONS, EKMAN, **known | options)


def test_who_is_scored_and_who_is_not():
    made = report()
    expected = score(
        ["angry", "neutral", "sad", "sad", "happy"], ["angry", "neutral", "angry", None, "happy"], EKMAN.names
    )
    assert made.scores == expected
    assert made.scores.n == 5
    assert made.left_out == {"bored": 1, "no label": 1}
    assert made.errors == 1
    assert made.scores.unanswered == 1
    assert (made.speakers, made.clusters) == (3, 4)
    assert made.silent_classes == ("surprise", "fear", "disgust")
    assert made.classify("calm") == "neutral"


def test_an_answer_is_merged_like_a_reference():
    finer = [Prediction("1.wav", "excited", {"excited": 1.0})]
    made = build_report([said("1.wav", "happy")], finer, EKMAN, model="m", data="d")
    assert made.scores.wa == 1.0


def test_corpora_apart():
    made = report()
    assert list(made.by_corpus) == ["a", "b|x"]
    a, b = made.by_corpus.values()
    assert (a.n, a.speakers, a.classes) == (3, 2, 3)
    assert a.ua == pytest.approx(2 / 3)
    assert (b.n, b.ua, b.wa) == (2, 0.5, 0.5)
    assert b.ua_interval is not None


def test_wer_only_where_the_model_wrote_the_transcripts():
    made = report()
    # Six clips have a transcript of three words; one word is wrong, one recording unreadable.
    assert made.wer_transcripts == 6
    assert made.wer == pytest.approx(4 / 18)
    for origin in ("given", None):
        assert report(transcripts_from=origin).wer is None


def test_one_speaker_has_no_interval_and_the_report_says_why():
    made = build_report([said("1.wav", "angry")], [answered("1.wav", "angry")], EKMAN, model="m", data="d")
    assert made.intervals["ua"] is None
    assert "one speaker, which gives no information about others" in markdown_report(made)
    assert json.loads(json.dumps(made.to_dict()))["intervals"]["ua"] is None


def test_mistakes():
    with pytest.raises(UserError, match="7 utterances but 6 predictions"):
        build_report(UTTERANCES, PREDICTIONS[1:], EKMAN, model="m", data="d")
    with pytest.raises(UserError, match="nothing to score"):
        build_report([said("1.wav", "bored")], [answered("1.wav", "sad")], EKMAN, model="m", data="d")


def test_files_hold_it_all(tmp_path):
    made = report(strategy="transcript_first")
    files = write_report(made, UTTERANCES, PREDICTIONS, tmp_path / "new" / "out")
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == sorted(files)
    stored = json.loads(files["report.json"].read_text("utf-8"))
    assert stored == json.loads(json.dumps(made.to_dict()))
    assert stored["scores"]["ua"] == made.scores.ua
    assert stored["intervals"]["ua"] == {"low": made.intervals["ua"].low, "high": made.intervals["ua"].high}
    assert stored["by_corpus"]["b|x"]["n"] == 2
    lines = [json.loads(line) for line in files["predictions.jsonl"].read_text("utf-8").splitlines()]
    assert [line["path"] for line in lines] == [prediction.path for prediction in PREDICTIONS]
    assert [line["reference"] for line in lines] == ["angry", "neutral", "sad", None, None, "sad", "happy"]
    kept = [line for line in lines if line["reference"]]
    again = score([line["reference"] for line in kept], [line["label"] for line in kept], stored["labels"])
    assert again == made.scores


def test_markdown_states_every_figure_with_its_n():
    made = report()
    text = markdown_report(made)
    interval = made.intervals["ua"]
    assert f"**UA {made.scores.ua:.3f} [{interval.low:.3f}, {interval.high:.3f}]**" in text
    assert "5 clips, 3 known speakers, 4 of 7 classes" in text
    assert "Word error rate 0.222 over 6 transcripts" in text
    assert "2 clips left out, since ekman7 has no class for them (1 bored, 1 no label)." in text
    assert "too narrow" in text
    assert "seed 0" in text
    assert versions_here()["scikit-learn"] in text
    assert "calm as neutral" in text


def test_markdown_tables_are_whole():
    text = markdown_report(report(data="a|b\nc_d"))
    assert text.startswith(r"# nano on a\|b c\_d (test)")
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 7  # corpora, classes, confusions, calibration, abstention, speakers, what is missing
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
        assert len({len(line) for line in table.splitlines()}) == 1


def test_one_corpus_needs_no_table_of_corpora():
    made = build_report(UTTERANCES[:3], PREDICTIONS[:3], EKMAN, model="m", data="d")
    assert "## Corpora" not in markdown_report(made)


def test_a_full_disk_leaves_the_old_files_and_no_report_json(tmp_path, monkeypatch):
    write_report(report(), UTTERANCES, PREDICTIONS, tmp_path)
    old = (tmp_path / "report.json").read_text()
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"report\.md: No space left"):
        write_report(report(seed=1), UTTERANCES, PREDICTIONS, tmp_path)
    assert (tmp_path / "report.json").read_text() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.jsonl", "report.json", "report.md"]


def test_no_torch_and_no_scikit_learn_on_import():
    code = (
        "import sys, emosllm.evaluation.report_builder, emosllm.reporting.screen, emosllm.reporting.prediction_plot\n"
        "sys.exit(', '.join({'torch', 'sklearn', 'jiwer', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
