"""The server's own routes: emotions equal to those of predict, no stored uploads, metrics and documentation."""

import io
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
from rest_requests import ask, line_of
from serving_recordings import RECORDINGS, as_wav

from emosllm.inference.recogniser import as_utterance
from emosllm.utterance import Utterance


def test_a_recording_as_a_whole(client, nano, clip):
    answer = ask(client, clip).json()
    expected = nano(clip)
    assert answer["recording"] == "clip.flac"
    assert answer["model"] == "nano"
    assert answer["labels"] == list(nano.labels.names)
    assert answer["emotion"]["label"] == expected.label
    assert answer["emotion"]["probabilities"] == pytest.approx(dict(expected.probabilities), abs=1e-4)
    assert answer["emotion"]["confidence"] == pytest.approx(expected.confidence, abs=1e-4)
    (segment,) = answer["segments"]
    assert (segment["transcript"], segment["transcript_from"]) == (None, None)
    assert (segment["start"], segment["end"]) == (0, answer["duration"])
    assert answer["shares"] == pytest.approx(dict(expected.probabilities), abs=1e-4)


def test_a_recording_turn_by_turn(client, nano, long_clip):
    answer = ask(client, long_clip, "long.wav", segments="true").json()
    assert answer["emotion"] is None
    assert len(answer["segments"]) >= 6
    assert answer["duration"] > nano.processor.longest
    for segment in answer["segments"]:
        stretch = Utterance("turn", long_clip, start=segment["start"], end=segment["end"])
        expected = nano(stretch)
        assert segment["label"] == expected.label
        assert segment["probabilities"] == pytest.approx(dict(expected.probabilities), abs=2e-3)  # times are rounded
        assert segment["transcript"] == expected.transcript
    assert sum(answer["shares"].values()) == pytest.approx(1, abs=1e-3)


def test_clients_at_once_get_what_predict_says(serve, nano):
    expected = {p.path: p for p in nano.predict(map(as_utterance, RECORDINGS))}
    with serve(batch_size=4) as client, ThreadPoolExecutor(16) as pool:
        paths = RECORDINGS * 5
        answers = list(pool.map(lambda path: ask(client, path.read_bytes(), path.name).json(), paths))
        counts = client.get("/metrics").text
    for path, answer in zip(paths, answers, strict=True):
        assert answer["emotion"]["probabilities"] == pytest.approx(dict(expected[str(path)].probabilities), abs=1e-4)
        assert answer["segments"][0]["transcript"] == expected[str(path)].transcript
    batches = float(counts.split("emosllm_batch_size_count ")[1].split()[0])
    assert 30 / 4 <= batches < 30, "nothing was batched"


def test_words_are_told_with_where_they_come_from(serve, nano, talker, clip, long_clip):
    class Scribe:
        name = "asr scribe"

        def __call__(self, clips):
            return ["heard elsewhere"] * len(clips)

    def words(client, **fields):
        segments = ask(client, **fields).json()["segments"]
        return {(segment["transcript"], segment["transcript_from"]) for segment in segments}

    with serve(systems={"talker": talker, "nano": nano}) as client:
        assert words(client, audio=clip) == {(talker(clip).transcript, "model")}
        assert words(client, audio=clip, model="nano") == {(None, None)}
        assert words(client, audio=clip, model="nano", transcript="So.") == {("So.", "given")}
        told = {model["id"]: model["transcribes"] for model in client.get("/v1/models").json()["data"]}
        assert told == {"talker": True, "nano": False}
    with serve(transcriber=Scribe()) as client:
        assert words(client, audio=clip) == {("heard elsewhere", "asr scribe")}
        assert words(client, audio=clip, transcript="So.") == {("So.", "given")}
        assert words(client, audio=long_clip, segments="true") == {("heard elsewhere", "asr scribe")}
        answer = client.post("/v1/audio/transcriptions", files={"file": clip}, data={"model": "nano"})
        assert answer.json() == {"text": "heard elsewhere"}


def test_given_transcripts_are_used(client, nano, clip):
    answer = ask(client, clip, transcript="I could not be happier.").json()
    (expected,) = nano.predict([Utterance("u", clip, transcript="I could not be happier.")], transcripts="given")
    assert answer["segments"][0]["transcript_from"] == "given"
    assert answer["emotion"]["probabilities"] == pytest.approx(dict(expected.probabilities), abs=1e-4)


def test_voices_are_measured_when_asked(client, long_clip, clip):
    pytest.importorskip("parselmouth", reason="the extra `cues` is not installed")
    assert ask(client, clip).json()["segments"][0]["cues"] == {}
    assert ask(client, clip, cues="true").json()["segments"][0]["cues"]["pitch"] > 50
    turns = ask(client, long_clip, "l.wav", segments="true", cues="true").json()["segments"]
    assert {turn["cues_in_words"]["pitch"] for turn in turns} == {"low", "medium", "high"}


def test_two_systems_behind_one_queue(serve, nano, clip):
    few = type(nano)(nano.model, nano.processor, labels=nano.labels.only(["angry", "sad"]))
    with serve(systems={"nano": nano, "few": few}) as client:
        assert set(ask(client, clip, model="few").json()["emotion"]["probabilities"]) == {"angry", "sad"}
        assert len(ask(client, clip).json()["emotion"]["probabilities"]) == 7
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["nano", "few"]
        assert line_of(ask(client, clip, model="none"), 422) == "model 'none' is not served here; there is nano, few"


def test_uploads_are_never_written(serve, clip, long_clip, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    rolled = []
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", lambda self: rolled.append(self))
    big = as_wav(np.tile(np.frombuffer(long_clip[44:], np.int16) / 32768, 3))
    assert len(big) > 2**21
    with serve() as client:
        assert ask(client, big, segments="true").status_code == 200
    assert rolled == []
    assert list(tmp_path.iterdir()) == []


def test_metrics_count(serve, clip):
    with serve() as client:
        ask(client, clip)
        ask(client, b"broken")
        client.get("/wp-login.php")
        text = client.get("/metrics").text
    assert 'emosllm_requests_total{path="/v1/emotions",status="200"} 1.0' in text
    assert 'emosllm_requests_total{path="/v1/emotions",status="422"} 1.0' in text
    assert 'emosllm_requests_total{path="page",status="404"} 1.0' in text
    assert 'emosllm_request_seconds_count{path="/v1/emotions"} 2.0' in text
    seconds = float(re.search(r"^emosllm_audio_seconds_total ([\d.]+)$", text, re.MULTILINE)[1])
    assert seconds == pytest.approx(sf.info(io.BytesIO(clip)).duration, abs=0.01)
    assert "emosllm_batch_size_count 1.0" in text
    assert "emosllm_queue_clips 0.0" in text
    assert "emosllm_queue_requests 0.0" in text
    assert "wp-login" not in text


def test_the_api_is_documented(client):
    described = client.get("/openapi.json").json()
    route = described["paths"]["/v1/emotions"]["post"]
    form = route["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    assert set(form["properties"]) == {"file", "segments", "model", "transcript", "cues", "session"}
    assert set(route["responses"]) == {"200", "401", "408", "413", "422", "503"}
    assert route["security"]
    emotions = described["components"]["schemas"]["Emotions"]["properties"]
    assert all("description" in field for field in emotions.values())
    assert emotions["model"]["examples"] == ["nano"]
    assert client.get("/docs").status_code == 404  # FastAPI's own page loads a script from elsewhere


def test_answers_are_what_is_documented(client, clip):
    from emosllm.serving.schemas import Emotions

    answer = ask(client, clip)
    parsed = Emotions.model_validate_json(answer.text)
    assert parsed.model_dump(mode="json") == answer.json()
    timeline = parsed.timeline()
    assert Emotions.of(timeline, whole=True).model_dump(exclude={"duration"}) == parsed.model_dump(exclude={"duration"})
    assert replace(timeline.segments[0], cues={}).label == parsed.segments[0].label
