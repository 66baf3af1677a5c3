"""The picture of a timeline: drawn for ten seconds and for hours, right in its numbers, the same each time."""

from dataclasses import replace

import numpy as np
import pytest

from emosllm.errors import UserError
from emosllm.timeline.clock import clock
from emosllm.timeline.plot import STYLES, bin_probabilities, draw_timeline, ribbon_intervals
from emosllm.timeline.segments import Segment, Timeline

LABELS = ("angry", "neutral", "sad")


def hours(count, turns=700):
    """Turns in a row with every emotion in its own third."""
    seconds = count * 3600 / turns
    segments = []
    for n in range(turns):
        label = LABELS[3 * n // turns]
        odds = {name: 0.8 if name == label else 0.1 for name in LABELS}
        segments.append(Segment(n * seconds, n * seconds + 0.8 * seconds, label, odds))
    return Timeline("talk.wav", count * 3600, "nano", LABELS, segments, envelope=np.full(500, 0.3, np.float32))


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
@pytest.mark.parametrize("count", [10 / 3600, 2])
def test_short_and_long_recordings_are_drawn_alike_each_time(tmp_path, ending, count):
    timeline = hours(count, 4 if count < 1 else 700)
    for name in "ab":
        draw_timeline(timeline, tmp_path / f"{name}{ending}")
    written = (tmp_path / f"a{ending}").read_bytes()
    assert written == (tmp_path / f"b{ending}").read_bytes()
    assert len(written) < 3_000_000


def test_the_picture_names_every_emotion_and_its_share(tmp_path):
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        draw_timeline(hours(2), tmp_path / "t.svg")
    text = (tmp_path / "t.svg").read_text("utf-8")
    for words in (*LABELS, "33%", "2:00:00 long", "1:36:00 of speech in 700 turns", "1:00:00"):
        assert f">{words}" in text or words in text
    assert "<pattern" in text  # hatching: colour is not the only sign


def test_bins_are_means_over_speech():
    timeline = hours(1, 3)
    found = bin_probabilities(timeline, 3)
    assert np.allclose(found, np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]))
    assert np.allclose(bin_probabilities(replace(timeline, segments=[]), 5), 0)
    fine = bin_probabilities(timeline, 360)
    assert set(np.round(fine.sum(axis=0), 6)) == {0.0, 1.0}


def test_the_ribbon_shows_turns_while_they_are_wide_enough_and_majorities_after():
    short = hours(1 / 60, 6)
    assert ribbon_intervals(short, 160) == [(s.start, s.end, LABELS.index(s.label)) for s in short.segments]
    long = ribbon_intervals(hours(2), 160)
    assert [place for *_, place in long] == [0, 1, 2]
    assert long[0][0] == 0
    assert long[-1][1] == pytest.approx(7200)


def test_nothing_said_and_errors_are_drawn_too(tmp_path):
    draw_timeline(Timeline("x.wav", 5.0, "nano", LABELS, []), tmp_path / "n.png")
    draw_timeline(Timeline("x$y.wav", 5.0, "nano", LABELS, [Segment(1, 2, error="no")]), tmp_path / "e.png")
    assert (tmp_path / "n.png").stat().st_size > 1000


def test_names_of_other_label_sets_have_their_own_look(tmp_path):
    odds = {"bored": 0.5, "keen": 0.5}
    draw_timeline(Timeline("x", 3.0, "m", ("bored", "keen"), [Segment(0, 2, "keen", odds)]), tmp_path / "p.png")
    with pytest.raises(UserError, match="too many emotions"):
        draw_timeline(Timeline("x", 3.0, "m", tuple("abcdef"), []), tmp_path / "q.png")
    assert not (tmp_path / "q.png").exists()


def test_looks_differ_in_more_than_colour():
    from colorsys import rgb_to_hls

    def look(name):
        colour, hatch = STYLES[name]
        lightness = rgb_to_hls(*(int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)))[1]
        return hatch or f"plain {lightness > 0.5}"

    assert len({look(name) for name in STYLES}) == len(STYLES)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (750, "12:30"), (3750, "1:02:30")])
def test_clock(seconds, text):
    assert clock(seconds) == text
