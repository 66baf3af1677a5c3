"""Turns cover all speech, never overlap, keep to their limits where that is possible, and never cross a speaker."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosllm.errors import UserError
from emosllm.timeline.speakers import Speakers, read_rttm
from emosllm.timeline.turns import TurnLimits, TurnMaker
from emosllm.timeline.voice_activity import SpeechSegment

TICK = 1 / 64  # seconds; exact in binary, so that sums are too
times = st.integers(1, 1500).map(lambda n: n * TICK)
limits = st.builds(
    lambda shortest, factor, close, more: TurnLimits(shortest, shortest * factor, close, close + more),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([2.0, 3.0, 7.5]),
    st.sampled_from([0.0, 0.25, 0.6]),
    st.sampled_from([0.0, 0.5, 1.5]),
)


@st.composite
def speeches(draw):
    """Stretches of speech in order; some touch."""
    at, found = 0.0, []
    for gap, length in draw(st.lists(st.tuples(st.sampled_from([0, 0, 8, 30, 60, 120, 400]), times), max_size=8)):
        at += gap * TICK
        found.append(SpeechSegment(at, at + length))
        at += length
    return found


@st.composite
def labels(draw):
    """Labelled segments, overlapping or not."""
    segments = draw(st.lists(st.tuples(times, times, st.sampled_from("ABC")), max_size=8))
    return Speakers([(start, start + length, name) for start, length, name in segments])


def turns_of(speech, chosen, quietest, speakers=None):
    maker = TurnMaker(chosen, quietest, speakers)
    found = [turn for segment in speech for turn in maker.push(segment)]
    return found + maker.finish()


def covers(turns, start, end):
    """Whether turns that may touch hold all from start to end."""
    at = start
    for turn in turns:
        if turn.start <= at + 1e-9 and turn.end > at:
            at = turn.end
    return at >= end - 1e-9


@settings(deadline=None, max_examples=300)
@given(speeches(), limits, st.floats(0, 1), st.one_of(st.none(), labels()))
def test_turns_cover_all_speech_and_nobody_overlaps(speech, chosen, where, speakers):
    turns = turns_of(speech, chosen, lambda low, high: low + where * (high - low), speakers)
    assert all(one.end <= other.start for one, other in pairwise(turns))
    assert all(turn.start < turn.end for turn in turns)
    assert all(turn.end - turn.start <= chosen.longest + 1e-9 for turn in turns)
    assert all(covers(turns, segment.start, segment.end) for segment in speech)
    if speech:
        assert turns[0].start == speech[0].start
        assert turns[-1].end == speech[-1].end


@settings(deadline=None, max_examples=200)
@given(times, limits, st.floats(0, 1))
def test_pieces_of_one_long_stretch_keep_both_limits(length, chosen, where):
    turns = turns_of([SpeechSegment(1.0, 1.0 + length)], chosen, lambda low, high: low + where * (high - low))
    lengths = [turn.end - turn.start for turn in turns]
    if length >= chosen.shortest:
        assert min(lengths) >= chosen.shortest - 1e-9
    assert max(lengths) <= chosen.longest + 1e-9
    assert sum(lengths) == pytest.approx(length)


@settings(deadline=None, max_examples=200)
@given(speeches(), labels())
def test_a_turn_has_the_speakers_of_all_its_speech(speech, speakers):
    for turn in turns_of(speech, TurnLimits(), lambda low, high: low, speakers):
        for start, end, who in speakers.split(turn.start, turn.end):
            # What VAD joins over a pause may hold unlabelled silence, and slivers belong to their neighbour.
            if who and end - start > 0.25:
                assert who == turn.speakers or not any(s.start < end and start < s.end for s in speech)


def test_close_stretches_join_and_far_ones_do_not():
    speech = [SpeechSegment(0, 3), SpeechSegment(3.5, 6), SpeechSegment(8, 11)]
    assert [(t.start, t.end) for t in turns_of(speech, TurnLimits(), max)] == [(0, 6), (8, 11)]


def test_a_lone_word_takes_company_over_a_longer_pause():
    speech = [SpeechSegment(0, 0.5), SpeechSegment(1.7, 5), SpeechSegment(10, 10.4)]
    assert [(t.start, t.end) for t in turns_of(speech, TurnLimits(), max)] == [(0, 5), (10, 10.4)]


def test_a_long_run_is_cut_in_its_quietest_pause_and_the_pause_left_out():
    speech = [SpeechSegment(0, 9), SpeechSegment(9.5, 18)]
    turns = turns_of(speech, TurnLimits(), lambda low, high: 9.2)
    assert [(t.start, t.end) for t in turns] == [(0, 9), (9.5, 18)]


def test_turns_settle_as_soon_as_a_pause_is_long_enough():
    maker = TurnMaker(TurnLimits(), max)
    assert maker.push(SpeechSegment(1, 4)) == []
    assert maker.since == 1
    assert maker.advance(5) == []
    (turn,) = maker.advance(5.6)
    assert (turn.start, turn.end, maker.since) == (1, 4, None)


@pytest.mark.parametrize(("shortest", "longest"), [(0, 5), (3, 5), (6, 5)])
def test_limits_that_cannot_be_kept_are_refused(shortest, longest):
    with pytest.raises(UserError, match="at most half the longest"):
        TurnLimits(shortest, longest)


# --- RTTM

RTTM = """;; two people, and both at once
SPEAKER talk 1 0.00 5.00 <NA> <NA> ann <NA> <NA>
SPKR-INFO talk 1 <NA> <NA> <NA> unknown ann <NA>

SPEAKER talk 1 4.00 3.00 <NA> <NA> bob <NA> <NA>
"""


def test_an_rttm_says_who_speaks_and_where_speech_overlaps(tmp_path):
    (tmp_path / "talk.rttm").write_text(RTTM)
    speakers = read_rttm(tmp_path / "talk.rttm")
    assert speakers.split(0, 9) == [(0, 4, ("ann",)), (4, 5, ("ann", "bob")), (5, 7, ("bob",)), (7, 9, ())]
    assert speakers.split(1, 2) == [(1, 2, ("ann",))]
    assert speakers.split(20, 21) == [(20, 21, ())]


def test_slivers_that_nobody_labelled_go_to_their_neighbour():
    speakers = Speakers([(1, 2, "ann"), (2.1, 3, "bob")])
    assert speakers.split(0.9, 3.2) == [(0.9, 2.1, ("ann",)), (2.1, 3.2, ("bob",))]


BAD = {
    "SPEAKER talk 1 0.0": "line 1: 4 fields",
    "\nSPEAKER talk 1 x 1 <NA> <NA> ann <NA>": "line 2: 'x' and '1'",
    "SPEAKER talk 1 -1 1 <NA> <NA> ann <NA>": "'-1'",
    "": "no line that begins with SPEAKER",
    "SPEAKER a 1 0 1 <NA> <NA> x <NA>\nSPEAKER b 1 0 1 <NA> <NA> x <NA>": "several recordings (a, b)",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_rttm_is_named_with_its_line(tmp_path, text):
    (tmp_path / "bad.rttm").write_text(text)
    with pytest.raises(UserError) as told:
        read_rttm(tmp_path / "bad.rttm")
    assert BAD[text] in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_what_is_no_text_or_not_there(tmp_path, content):
    if content is not None:
        (tmp_path / "x.rttm").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.rttm"):
        read_rttm(tmp_path / "x.rttm")
