"""The live view: a ribbon of letters, a level, the last turns; on a terminal and on none."""

import io

import numpy as np
from recordings import VOICES, voice
from rich.console import Console

from emosllm.inference.rows import RecognitionOptions, recognise
from emosllm.reporting.screen import bar
from emosllm.sinks.live_view import LiveView
from emosllm.timeline.screen import initials, ribbon
from emosllm.timeline.segments import Segment
from emosllm.timeline.spoken_turns import cut_turns

LABELS = ("angry", "sad", "surprise", "neutral")


def segment(start, end, label):
    return Segment(start, end, label, {name: float(name == label) for name in LABELS} if label else {})


def test_letters_are_told_apart():
    assert initials(LABELS) == {"angry": "A", "sad": "S", "surprise": "U", "neutral": "N"}
    assert len(set(initials(("aa", "ab", "ba")).values())) == 3


def test_the_ribbon_shows_who_felt_what_when():
    found = [segment(2, 4, "sad"), segment(5, 6, None), segment(8, 10, "surprise")]
    assert ribbon(found, LABELS, 10, 10, 10).plain == "··SS·?··UU"
    assert ribbon(found, LABELS, 4, 10, 10).plain == "      ··SS"


def test_bars_are_as_long_as_their_probability():
    assert [bar(p, 4) for p in (0, 0.5, 1, 2)] == ["    ", "██  ", "████", "████"]


def test_on_a_terminal_the_view_is_drawn_over_and_over(nano):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, height=24, color_system="truecolor")
    view = LiveView(tuple(nano.labels.names), console)
    silence = np.zeros(32_000, np.float32)
    blocks = [silence, voice(VOICES[0]), silence, voice(VOICES[1]), silence]
    with view:
        for row in recognise(nano, cut_turns(view.watched(blocks), "stream"), RecognitionOptions(batch_size=1)):
            view.write(row)
    found = list(view.segments)
    assert len(found) == view.rows == 2
    letters = initials(view.labels)
    text = screen.getvalue()
    assert all(s.label in text and letters[s.label] in text for s in found)
    assert view.heard == sum(map(len, blocks)) / 16_000


def test_a_view_that_falls_behind_says_so(nano):
    view = LiveView(LABELS, Console(file=io.StringIO(), width=80))
    view.behind = 7.0
    screen = io.StringIO()
    Console(file=screen, width=100).print(view.drawn())
    assert "7 s behind" in screen.getvalue()


def test_an_answer_comes_as_soon_as_a_pause_is_long_enough(nano):
    """Not at the end of the stream: the first turn is told before the second voice is asked for."""
    given = []

    def blocks():
        for number in range(2):
            for at in range(0, len(samples := voice(VOICES[number])), 4000):
                given.append(number)
                yield samples[at : at + 4000]
            for _ in range(10):
                yield np.zeros(4000, np.float32)

    next(recognise(nano, cut_turns(blocks(), "stream"), RecognitionOptions(batch_size=1)))
    assert set(given) == {0}
