"""The load test itself, run short: promises hold, figures are there, and a wrong answer would be seen."""

import json
from collections import Counter

from bench.serving_load import LoadTest, difference, main
from emosllm.utterance import Prediction


def test_a_short_load_keeps_all_promises(tmp_path):
    assert main(["--seconds", "6", "--clients", "8", "--queue", "6", "--out", str(tmp_path / "load.json")]) == 0
    found = json.loads((tmp_path / "load.json").read_text(encoding="utf-8"))
    (figures,) = found["runs"].values()
    assert found["broken"] == []
    assert figures["answered"] >= 8
    assert figures["other_than_200_and_503"] == 0
    assert 0 < figures["p50_seconds"] <= figures["p95_seconds"]
    assert figures["rss_mb_end"] > 100


def test_what_breaks_a_promise_is_told():
    steady = [(float(n), 500.0) for n in range(100)]
    fine = LoadTest(1.0, Counter({200: 5, 503: 3}), [0.1] * 5, [], steady)
    assert fine.verdict() == []
    assert fine.figures()["busy_share"] == 0.375
    leaking = LoadTest(1.0, Counter({200: 5}), [0.1] * 5, [], [(float(n), 500.0 + 2 * n) for n in range(100)])
    assert leaking.verdict() == ["memory grew from 559 to 689 MB"]
    assert LoadTest(1.0, Counter({200: 1, 500: 2}), [0.1], [], steady).verdict() == ["status 500, 2 times"]
    assert LoadTest(1.0, Counter(), [], [], steady).verdict() == ["nothing was answered"]


def test_other_answers_than_predicts_are_seen():
    expected = Prediction("clip", "sad", {"angry": 0.25, "sad": 0.75}, "No.")

    def body(transcript="No.", **probabilities):
        return {"segments": [{"transcript": transcript, "probabilities": probabilities}]}

    assert difference(body(angry=0.25, sad=0.75), expected) == ""
    assert difference(body(angry=0.2504, sad=0.7496), expected) == "probabilities off by 0.00040"
    assert difference(body(sad=0.75, angry=0.25), expected) == "labels ['sad', 'angry']"
    assert difference(body("Yes.", angry=0.25, sad=0.75), expected) == "transcript 'Yes.' instead of 'No.'"
