"""How far a command is: a bar on a terminal, a line a minute in a log, nothing for what is over at once."""

import io

import pytest
from rich.console import Console

from emosllm.cli import progress
from emosllm.cli.progress import CommandProgress


@pytest.fixture
def clock(monkeypatch):
    """Time stands still until it is told to go on."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def later(seconds):
        now[0] += seconds

    return later


def log():
    return Console(file=io.StringIO(), width=100)


def test_a_log_gets_a_line_a_minute_with_the_time_left(clock):
    console = log()
    with CommandProgress("recognising", 100_000, "recordings", console) as told:
        told.begin(40_000)
        clock(30)
        told.advance(5_000)
        clock(31)
        told.advance(1_100)
        clock(10)
        told.advance(1)
    assert console.file.getvalue() == "recognising: 46,100 of 100,000 recordings, 8:59 left\n"


def test_seconds_are_told_as_a_clock_would(clock):
    console = log()
    with CommandProgress("recognising", 7200, "seconds", console) as told:
        clock(60)
        told.advance(2400)
    assert console.file.getvalue() == "recognising: 40:00 of 2:00:00, 2:00 left\n"


def test_what_is_over_at_once_says_nothing():
    console = log()
    with CommandProgress("recognising", 3, "recordings", console) as told:
        for _ in range(3):
            told.advance()
    assert console.file.getvalue() == ""


def test_a_terminal_gets_a_bar_that_goes_away():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with CommandProgress("recognising", 10, "recordings", console) as told:
        told.begin(4)
        told.advance(1)
        told._bar.refresh()
    text = screen.getvalue()
    assert "5 of 10 recordings" in text
    assert "50%" in text
    assert text.endswith("\x1b[2K")
