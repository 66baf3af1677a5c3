"""predict --timeline, --transcripts, --asr and listen from the command line: what is written, and what is refused."""

import csv
import io
import json
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import soundfile as sf
import tiny_whisper
import typer.main
from commandline import emosllm, refused, write_rows
from talking import talking_folder

from emosllm.audio import load_audio
from emosllm.cli import app
from emosllm.inference.loader import stored_calibration

VOICES = sorted((Path(__file__).parents[2] / "demo" / "recordings").glob("*.flac"))


@pytest.fixture(scope="module")
def interview(tmp_path_factory):
    """Three voices with silence around them."""
    silence = np.zeros(32_000, np.float32)
    path = tmp_path_factory.mktemp("interview") / "interview.wav"
    sf.write(path, np.concatenate([silence, *(x for p in VOICES[:3] for x in (load_audio(p), silence))]), 16_000)
    return path


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return tiny_whisper.save(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def talker(tmp_path_factory):
    """A system that claims the words it writes."""
    return talking_folder(tmp_path_factory.mktemp("talking") / "talker")


def rows_of(*words, system="nano"):
    answer = emosllm("predict", system, *words, "--format", "json")
    assert answer.code == 0, answer
    return [json.loads(line) for line in answer.out.splitlines()]


def test_every_option_has_an_example():
    commands = typer.main.get_command(app).commands
    for verb in ("predict", "listen"):
        for option in commands[verb].params:
            if option.param_type_name == "option" and option.name != "help":
                assert re.search(rf"Example: `[\w. ]*{option.opts[0]}[ `]", option.help), option.name


def test_a_timeline_is_printed_three_ways(interview, talker):
    rows = rows_of(interview, "--timeline", system=talker)
    assert len(rows) == 3
    assert all(row["start"] < row["end"] and row["label"] and row["transcript_from"] == "model" for row in rows)
    table = emosllm("predict", talker, interview, "--timeline", "--no-cues")
    assert (table.code, table.err) == (0, "")
    assert all(row["label"] in table.out for row in rows)
    assert "of speech in 3 turns" in table.out
    assert "transcripts from: model" in table.out
    cells = list(
        csv.DictReader(io.StringIO(emosllm("predict", talker, interview, "--timeline", "--format", "csv").out))
    )
    assert [float(row["start"]) for row in cells] == [row["start"] for row in rows]


def test_everything_is_written_that_is_asked_for(interview, tmp_path):
    names = ["t.json", "t.csv", "t.TextGrid", "t.eaf", "t.txt", "t.srt", "t.vtt", "t.rttm"]
    out = [word for name in names for word in ("--out", tmp_path / "new" / name)]
    answer = emosllm("predict", "nano", interview, "--timeline", *out, "--picture", tmp_path / "t.png")
    assert (answer.code, answer.out) == (0, "")
    assert "of speech in 3 turns" in answer.err
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(names)
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((tmp_path / "new" / "t.json").read_text("utf-8"))
    assert found["model"] == "nano"
    assert found["settings"]["turns"]["longest"] == 15


def test_speakers_and_lengths_are_taken_from_the_options(interview, tmp_path):
    (tmp_path / "t.rttm").write_text(
        "SPEAKER x 1 0 4.1 <NA> <NA> ann <NA> <NA>\nSPEAKER x 1 4.1 60 <NA> <NA> bob <NA> <NA>\n"
    )
    rows = rows_of(interview, "--timeline", "--rttm", tmp_path / "t.rttm", "--longest", "1", "--shortest", "0.4")
    assert rows[0]["speaker"] == "ann"
    assert rows[-1]["speaker"] == "bob"
    assert max(row["end"] - row["start"] for row in rows) <= 1.001


def test_silence_is_said_and_no_failure(tmp_path):
    sf.write(tmp_path / "s.wav", np.zeros(32_000), 16_000)
    answer = emosllm("predict", "nano", tmp_path / "s.wav", "--timeline", "--picture", tmp_path / "s.png")
    assert answer.code == 0
    assert "no speech was found" in answer.err
    assert (tmp_path / "s.png").exists()


# --- whose words


def test_another_recogniser_of_speech_fills_the_words(interview, whisper):
    (row,) = rows_of(VOICES[0], "--asr", whisper)
    assert row["transcript_from"] == f"asr {whisper}"
    assert {r["transcript_from"] for r in rows_of(interview, "--timeline", "--asr", whisper)} == {f"asr {whisper}"}
    table = " ".join(emosllm("predict", "nano", VOICES[0], "--asr", whisper).out.split())
    assert "transcripts from: asr" in table


def test_a_system_that_does_not_transcribe_shows_no_words(interview):
    """nano never shows a transcript that nobody gave: not as a word, a column, a tier or a pair of quotes."""
    whole, turns = rows_of(VOICES[0]), rows_of(interview, "--timeline")
    assert [(row["transcript"], row["transcript_from"]) for row in (*whole, *turns)] == [(None, None)] * 4
    for words in ((VOICES[0],), (interview, "--timeline")):
        table = emosllm("predict", "nano", *words).out
        assert whole[0]["label"] in table
        assert "transcripts from" not in table
        assert "transcript" not in emosllm("predict", "nano", *words, "--format", "csv").out


def test_its_page_of_exports_has_no_words_either(interview, tmp_path):
    names = ["t.csv", "t.TextGrid", "t.eaf", "t.srt"]
    out = [word for name in names for word in ("--out", tmp_path / name)]
    assert emosllm("predict", "nano", interview, "--timeline", *out).code == 0
    assert not any("transcript" in (tmp_path / name).read_text("utf-8") for name in names)
    said = (tmp_path / "t.srt").read_text("utf-8").splitlines()[2::4]
    assert len(said) == 3
    assert all(re.fullmatch(r"\[\w+\]", line) for line in said)


def test_a_strategy_that_rests_on_its_own_words_is_refused(tmp_path):
    needs = "strategy 'transcript-first' needs the words, and nano does not transcribe"
    first = ("--strategy", "transcript-first")
    assert needs in refused("predict", "nano", VOICES[0], *first)
    rows = [{"path": str(VOICES[0]), "transcript": "I said this.", "emotion": "angry", "split": "test"}]
    data = ("--data", write_rows(tmp_path / "m.csv", rows))
    assert needs in refused("evaluate", "nano", *data, *first)
    (row,) = rows_of(*data, *first)
    assert (row["transcript"], row["transcript_from"]) == ("I said this.", "given")
    line = refused("predict", "nano", VOICES[0], "--transcripts", "own")
    assert "--transcripts own: nano does not transcribe; leave it out" in line


def test_word_error_rate_is_told_of_systems_that_claim_words(talker, tmp_path):
    rows = [{"path": str(VOICES[0]), "transcript": "I said this.", "emotion": "angry", "split": "test"}]
    data = ("--data", write_rows(tmp_path / "m.csv", rows))
    found = {}
    for system in ("nano", talker):
        assert emosllm("evaluate", system, *data, "--out", tmp_path / "report").code == 0
        found[system] = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert (found["nano"]["wer"], found["nano"]["transcripts_from"]) == (None, None)
    assert found[talker]["wer"] > 0
    assert found[talker]["transcripts_from"] == "model"


def test_a_table_of_words_goes_first_and_the_rest_is_heard(whisper, talker, tmp_path):
    words = write_rows(tmp_path / "w.csv", [{"path": str(VOICES[0]), "transcript": "I said this."}])
    rows = rows_of(*VOICES[:2], "--transcripts", words, system=talker)
    assert (rows[0]["transcript"], rows[0]["transcript_from"]) == ("I said this.", "given")
    assert rows[1]["transcript_from"] == "model"
    rows = rows_of(*VOICES[:2], "--transcripts", words, "--asr", whisper)
    assert [row["transcript_from"] for row in rows] == ["given", f"asr {whisper}"]


def test_a_manifests_words_are_taken_when_asked(whisper, talker, tmp_path):
    rows = [{"path": str(VOICES[0]), "transcript": "mine"}, {"path": str(VOICES[1]), "transcript": ""}]
    data = ("--data", write_rows(tmp_path / "m.csv", rows))
    assert [r["transcript_from"] for r in rows_of(*data, system=talker)] == ["model", "model"]
    given = rows_of(*data, "--transcripts", "given", system=talker)
    assert [r["transcript_from"] for r in given] == ["given", "model"]
    assert [r["transcript_from"] for r in rows_of(*data)] == ["given", None]  # nano has no words of its own to prefer
    assert [r["transcript_from"] for r in rows_of(*data, "--asr", whisper)] == ["given", f"asr {whisper}"]


# --- what is refused, at once, in one line


@pytest.fixture
def never(monkeypatch):
    """Nothing is computed."""

    def asked(*_, **__):
        raise AssertionError("should be known before a system is loaded")

    monkeypatch.setattr("emosllm.inference.loader.load", asked)


REFUSED = {
    ("--timeline", "{voice}", "{voice}"): "takes one recording, not 2",
    ("{voice}", "--rttm", "x.rttm"): "--rttm is for one long recording: add --timeline",
    ("{voice}", "--no-cues"): "--cues is for one long recording",
    ("{voice}", "--timeline", "--rttm", "{tmp}/x.rttm"): "cannot read {tmp}/x.rttm",
    ("{voice}", "--timeline", "--out", "{tmp}/x.doc"): "timelines end in .json",
    ("{voice}", "--timeline", "--out", "{tmp}"): "cannot write {tmp}",
    ("{voice}", "--timeline", "--longest", "3"): "turns of 2 to 3 s",
    ("{voice}", "--timeline", "--picture", "{tmp}/x.bmp"): "pictures end in",
    ("{tmp}/gone.wav", "--timeline"): "gone.wav does not exist",
    ("{voice}", "--out", "{tmp}/a.csv", "--out", "{tmp}/b.csv"): "there is one result",
    ("{voice}", "--out", "{tmp}/a.csv", "--picture", "{tmp}/b.png"): "leave one out",
    ("{voice}", "--transcripts", "given"): "there is no manifest",
    ("{voice}", "--transcripts", "{tmp}/none.csv"): "cannot read {tmp}/none.csv",
    ("{voice}", "--data", "m.csv"): "give recordings, or a manifest",
    (): "nothing to recognise",
}


@pytest.mark.parametrize("words", REFUSED)
def test_mistakes_are_one_line_and_leave_nothing(never, tmp_path, words):
    fill = lambda text: text.format(voice=VOICES[0], tmp=tmp_path)  # noqa: E731
    assert fill(REFUSED[words]) in refused("predict", "nano", *map(fill, words))
    assert list(tmp_path.iterdir()) == []


def test_own_words_and_another_listener_contradict_each_other():
    assert "either the system transcribes" in refused(
        "predict", "nano", VOICES[0], "--transcripts", "own", "--asr", "x/y"
    )


def test_an_unknown_recogniser_of_speech_is_named():
    assert "--asr no/such: no speech recogniser" in refused("predict", "nano", VOICES[0], "--asr", "no/such")


def test_without_silero_the_extra_is_named(never, monkeypatch, interview):
    monkeypatch.setattr("emosllm.timeline.silero_vad.find_spec", lambda name: None)
    assert "pip install 'emosllm[timeline]'" in refused("predict", "nano", interview, "--timeline")
    assert "pip install 'emosllm[timeline]'" in refused("listen", "nano", "--from", interview)


def test_a_recording_that_breaks_in_the_middle_leaves_nothing(interview, tmp_path):
    samples = load_audio(interview)
    samples[3 * len(samples) // 4] = np.nan
    sf.write(tmp_path / "x.wav", samples, 16_000, "FLOAT")
    out = ("--out", tmp_path / "t.json", "--picture", tmp_path / "t.png")
    assert "x.wav holds NaN" in refused("predict", "nano", tmp_path / "x.wav", "--timeline", *out)
    assert [path.name for path in tmp_path.iterdir()] == ["x.wav"]


# --- listen


def test_a_file_in_the_microphones_place_is_told_turn_by_turn(interview):
    rows = rows_of(interview, "--timeline", "--longest", "8")
    answer = emosllm("listen", "nano", "--from", interview)
    assert answer.code == 0
    assert answer.err.splitlines() == [stored_calibration("nano").note]
    lines = answer.out.splitlines()
    assert [re.split(r" {2,}", line)[1].split()[0] for line in lines] == [row["label"] for row in rows]


def test_a_microphone_is_listened_to_until_ctrl_c(interview, monkeypatch):
    samples = load_audio(interview)

    class InputStream:
        def __init__(self, rate, block, device, channels, dtype, callback):
            assert (rate, channels, dtype, device) == (16_000, 1, "float32", 3)
            self.callback, self.block = callback, block

        def __enter__(self):
            for at in range(0, len(samples), self.block):
                self.callback(samples[at : at + self.block, None], self.block, None, None)

        def __exit__(self, *_):
            pass

    def pressed(queue):
        while not queue.empty():
            yield queue.get()
        raise KeyboardInterrupt

    module = ModuleType("sounddevice")
    module.InputStream, module.PortAudioError = InputStream, OSError
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    monkeypatch.setattr("emosllm.timeline.microphone._received_blocks", pressed)
    answer = emosllm("listen", "nano", "--microphone", "3")
    assert answer.code == 130
    note = stored_calibration("nano").note
    assert answer.err.splitlines() == ["listening; Ctrl-C ends it", note, "emosllm: stopped"]
    assert len(answer.out.splitlines()) >= 2


def test_a_microphone_that_is_not_there_is_one_line(monkeypatch):
    def nothing(*_, **__):
        raise ValueError("No input device matching 'USB'")

    module = SimpleNamespace(InputStream=nothing, PortAudioError=OSError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    assert "no microphone USB can be opened" in refused("listen", "nano", "--microphone", "USB")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert "pip install 'emosllm[live]'" in refused("listen", "nano")
