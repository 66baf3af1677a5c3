"""A long recording becomes its turns: the same answers as clip by clip, in constant memory, whoever gives the words."""

import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from recordings import REAL, VOICES, talk

from emosllm.audio import load_audio, open_recording
from emosllm.errors import UserError
from emosllm.inference.given_transcripts import GivenTranscripts
from emosllm.inference.rows import RecognitionOptions, recognise
from emosllm.inference.transcripts import TranscriptSources
from emosllm.timeline.cues import cue_levels
from emosllm.timeline.segments import Segment, segments_and_gaps
from emosllm.timeline.speakers import Speakers
from emosllm.timeline.spoken_turns import TurnOptions, cut_turns, spoken_turns
from emosllm.timeline.timeline import make_timeline
from emosllm.timeline.turns import TurnLimits, TurnMaker
from emosllm.timeline.voice_activity import SpeechDetector
from emosllm.utterance import Utterance


def recognise_turns(nano, source, turns=None, **options):
    """The segments of a recording, or of a stream of blocks."""
    if isinstance(source, Path):
        return make_timeline(nano, source, "nano", turns, RecognitionOptions(**options)).segments
    clips = cut_turns(source, "stream", (turns or TurnOptions()).within(nano.processor.longest))
    return [Segment.of(row) for row in recognise(nano, clips, RecognitionOptions(**options))]


@pytest.fixture(scope="module")
def timeline(nano, interview):
    return make_timeline(nano, interview, "nano")


def test_each_voice_is_a_turn_where_it_speaks(timeline, interview):
    assert len(timeline.segments) == len(VOICES)
    at = 2.0
    for segment, path in zip(timeline.segments, VOICES, strict=True):
        seconds = len(load_audio(path)) / 16_000
        assert at - 0.2 < segment.start < segment.end < at + seconds + 0.3
        at += seconds + 2.0
    assert timeline.duration == pytest.approx(sf.info(interview).duration)
    assert [(s.label, s.error) == (None, None) for s in timeline.segments] == [False] * len(VOICES)


def test_a_turn_is_answered_as_its_samples_are(nano, timeline, interview):
    samples = load_audio(interview)
    clips = [samples[round(s.start * 16_000) : round(s.end * 16_000)] for s in timeline.segments]
    alone = nano.predict([Utterance(str(n), clip) for n, clip in enumerate(clips)], 1)
    for segment, said in zip(timeline.segments, alone, strict=True):
        assert (segment.label, segment.transcript) == (said.label, said.transcript)
        assert segment.probabilities == pytest.approx(dict(said.probabilities), abs=2e-3)
        assert segment.transcript_from is None


@pytest.mark.parametrize("size", [1, 1000, 50_000])
def test_the_size_of_blocks_changes_nothing(nano, interview, timeline, size):
    samples = load_audio(interview)
    blocks = (samples[at : at + size] for at in range(0, len(samples), size))
    if size == 1:  # a sample at a time is slow: the turns alone are compared
        detector = SpeechDetector()
        blocks = (samples[at : at + 37] for at in range(0, len(samples), 37))
        turns = [turn for turn, _ in spoken_turns(blocks, detector, TurnMaker(TurnLimits(), detector.quietest))]
    else:
        turns = recognise_turns(nano, blocks)
        assert [s.label for s in turns] == [s.label for s in timeline.segments]
    assert [(t.start, t.end) for t in turns] == [(s.start, s.end) for s in timeline.segments]


def test_other_rates_and_channels_are_heard_alike(nano, interview, timeline, tmp_path):
    samples = load_audio(interview)
    sf.write(tmp_path / "stereo.flac", np.stack([samples, samples], axis=1), 16_000)
    found = make_timeline(nano, tmp_path / "stereo.flac", "nano")
    assert [s.label for s in found.segments] == [s.label for s in timeline.segments]


def test_blocks_of_a_stream_are_the_recording(interview):
    with open_recording(interview) as recording:
        blocks = list(recording.blocks())
    assert np.array_equal(np.concatenate(blocks), load_audio(interview))


def test_the_envelope_spans_the_recording(nano, interview):
    found = make_timeline(nano, interview, "nano")
    assert len(found.envelope) == pytest.approx(found.duration * 50, abs=1)
    assert found.envelope.max() == pytest.approx(np.abs(load_audio(interview)).max(), abs=1e-6)


def test_speakers_are_told_and_turns_end_with_them(nano, interview, timeline):
    first, second = timeline.segments[:2]
    middle = (first.start + first.end) / 2
    speakers = Speakers([(0, middle, "ann"), (middle, 100, "bob"), (second.start, second.end, "cid")])
    found = recognise_turns(nano, interview, TurnOptions(speakers=speakers))
    assert [s.speaker for s in found[:3]] == ["ann", "bob", "bob+cid"]
    assert found[0].end == found[1].start == middle


def test_turns_are_no_longer_than_asked_or_than_the_system_takes(nano, interview, monkeypatch):
    found = recognise_turns(nano, interview, TurnOptions(TurnLimits(0.4, 0.8)))
    assert max(round(s.end * 16_000) - round(s.start * 16_000) for s in found) <= 0.8 * 16_000
    monkeypatch.setattr(type(nano.processor), "longest", 0.9, raising=False)
    found = recognise_turns(nano, interview)
    assert max(s.end - s.start for s in found) <= 0.9
    assert not any(s.error for s in found)


def test_silence_is_a_timeline_without_turns(nano, tmp_path):
    sf.write(tmp_path / "nothing.wav", np.zeros(80_000), 16_000)
    found = make_timeline(nano, tmp_path / "nothing.wav", "nano")
    assert (found.segments, found.duration, found.speech) == ([], 5.0, 0)
    assert sum(found.shares().values()) == 0


def test_a_recording_that_breaks_off_is_an_error(nano, interview, tmp_path):
    (tmp_path / "cut.wav").write_bytes(interview.read_bytes()[: interview.stat().st_size // 2])
    with pytest.raises(UserError, match="truncated"):
        make_timeline(nano, tmp_path / "cut.wav", "nano")


def peak_of(minutes):
    """Bytes at most, over a stream of speech and silence of so many minutes; and its turns."""
    second = 0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    speaks = lambda samples: np.full(len(samples) // 512, float(np.abs(samples).max() > 0.01))  # noqa: E731
    blocks = (second if n % 45 < 37 else second * 0 for n in range(minutes * 60))
    detector = SpeechDetector(judge=speaks)
    tracemalloc.start()
    turns = sum(1 for _ in spoken_turns(blocks, detector, TurnMaker(TurnLimits(), detector.quietest)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, turns


def test_an_hour_takes_the_memory_of_ten_minutes():
    (short, few), (long, many) = peak_of(5), peak_of(30)
    assert many == pytest.approx(6 * few, rel=0.1)
    assert long < short + 1.0e6  # levels, four bytes in 32 ms, and nothing else
    assert short < 12e6


# --- cues


def test_cues_are_measured_and_said_in_words(nano, interview):
    pytest.importorskip("parselmouth")
    found = recognise_turns(nano, interview, cues=True)
    assert all(s.cues["pitch"] > 60 for s in found)
    words = cue_levels(found)
    assert {word["pitch"] for word in words} == {"low", "medium", "high"}
    highest = max(range(len(found)), key=lambda n: found[n].cues["pitch"])
    assert words[highest]["pitch"] == "high"


def test_two_turns_have_values_and_no_words():
    assert cue_levels([Segment(0, 1, cues={"pitch": 100.0}), Segment(1, 2, cues={"pitch": 200.0})]) == [{}, {}]


# --- transcripts


def test_given_words_go_to_the_turn_that_holds_their_middle(nano, interview, timeline, tmp_path):
    first, second = timeline.segments[:2]
    table = tmp_path / "words.csv"
    table.write_text(
        "path,start,end,transcript\n"
        f"{interview},{first.start},{first.start + 0.2},Now\n{interview},{first.start + 0.2},{first.end},then.\n"
        f"{interview},{second.end + 0.1},{second.end + 1},between\n/elsewhere.wav,{second.start},{second.end},no\n"
    )
    given = GivenTranscripts(table)
    given.check([interview])
    found = recognise_turns(nano, interview, transcripts=TranscriptSources(given))
    assert (found[0].transcript, found[0].transcript_from) == ("Now then.", "given")
    assert (found[1].transcript, found[1].transcript_from) == (None, None)
    with pytest.raises(UserError, match="no row for the given recordings"):
        GivenTranscripts(table).check([tmp_path / "other.wav"])


def test_words_without_a_path_are_of_the_recording_at_hand(tmp_path):
    (tmp_path / "w.csv").write_text("start,end,transcript\n0,1,hello\n")
    given = GivenTranscripts(tmp_path / "w.csv")
    assert given.of(Utterance("x", tmp_path / "x.wav", 0, 2)) == "hello"
    assert given.of(Utterance("x", tmp_path / "x.wav", 2, 4)) is None
    assert given.of(Utterance("x", tmp_path / "x.wav")) == "hello"


def test_a_table_without_words_is_refused(tmp_path):
    (tmp_path / "w.csv").write_text("path,transcript\na.wav,\n")
    with pytest.raises(UserError, match="holds no transcript"):
        GivenTranscripts(tmp_path / "w.csv")


# --- the record


def test_gaps_are_filled_end_to_end(timeline):
    intervals = list(segments_and_gaps(timeline))
    assert intervals[0][0] == 0
    assert intervals[-1][1] == timeline.duration
    assert all(one[1] == other[0] for one, other in pairwise(intervals))
    assert [s for *_, s in intervals if s] == list(timeline.segments)


def test_shares_are_of_the_speech_by_time(timeline):
    assert sum(timeline.shares().values()) == pytest.approx(1)
    by_hand = sum(s.probabilities["sad"] * (s.end - s.start) for s in timeline.segments) / timeline.speech
    assert timeline.shares()["sad"] == pytest.approx(by_hand)


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared recordings are not here")
def test_real_speech_in_a_row_is_found_and_recognised(nano, tmp_path):
    pieces, emotions = [np.zeros(16_000, np.float32)], []
    for path in sorted((REAL / "emodb" / "wav").iterdir())[:40:5]:
        pieces += [load_audio(path), np.zeros(32_000, np.float32)]
        emotions.append(path)
    sf.write(tmp_path / "row.flac", np.concatenate(pieces), 16_000)
    found = make_timeline(nano, tmp_path / "row.flac", "nano")
    assert len(emotions) <= len(found.segments) <= len(emotions) + 3
    said = sum(len(piece) for piece in pieces[1::2]) / 16_000
    assert 0.7 * said < found.speech < 1.15 * said


def test_talk_writes_what_it_says(tmp_path):
    assert sf.info(talk(tmp_path / "t.wav", pauses=0.5)).duration > 5
