"""Terminal output and prediction plots: they fit, contain the figures, and accept any names."""

import io
import sys

import pytest
from rich.console import Console

from emosllm.errors import UserError
from emosllm.evaluation.report_builder import build_report
from emosllm.labels import LABEL_SETS, label_set
from emosllm.reporting.formats.terminal import print_report
from emosllm.reporting.prediction_plot import MOST, draw_predictions
from emosllm.reporting.screen import prediction_table, short_names, shorten
from emosllm.utterance import Prediction, Utterance

NINE = label_set("msp9")


def answered(path, label="angry", confidence=0.6, transcript=None, names=NINE.names):
    rest = (1 - confidence) / (len(names) - 1)
    return Prediction(path, label, {name: confidence if name == label else rest for name in names}, transcript)


def shown(what, width=100):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    print_report(what, console) if hasattr(what, "scores") else console.print(what)
    return console.file.getvalue()


def test_report_fits_and_states_the_figures():
    clips = [
        Utterance(
            f"{i}.wav", emotion=NINE.names[i % 9], speaker=f"s{i % 5}", corpus=f"corpus_{i % 2}", transcript="a b"
        )
        for i in range(900)
    ]
    answers = [answered(f"{i}.wav", NINE.names[(i * i) % 9], transcript="a c") for i in range(900)]
    made = build_report(clips, answers, NINE, model="nano", data="x" * 50, split="test", transcripts_from="model")
    text = shown(made)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    interval = made.intervals["ua"]
    for figure in (
        f"{made.scores.ua:.3f} [{interval.low:.3f}, {interval.high:.3f}]",
        f"{made.scores.wa:.3f}",
        f"{made.scores.macro_f1:.3f}",
        f"{made.scores.weighted_f1:.3f}",
        "0.500 over 900 transcripts",
        "900 clips, 5 known speakers, 9 of 9 classes",
        "corpus_1",
        *(f"{entry.recall:.3f}" for entry in made.scores.per_class),
        *(str(n) for row in made.scores.confusion for n in row if n),
    ):
        assert figure in text


def test_predictions_fit_and_failures_say_why_in_full():
    error = "cannot read broken.wav: not audio in a format that libsndfile knows; give wav, flac, mp3, ogg or opus"
    rows = [
        answered("a/very/long/folder/with/many/parts/that/goes/on/clip.wav", "surprise", 0.51, "kids are talking"),
        Prediction("broken.wav", error=error),
        answered("[red]odd[/red]\x1b[31m.wav", "contempt", 1.0, "costs $5 [bold]now[/bold] " * 9),
    ]
    text = shown(prediction_table(rows))
    assert max(map(len, text.splitlines())) <= 100
    assert "/goes/on/clip.wav" in text
    assert "surprise" in text
    assert "0.51" in text
    assert "kids are talking" in text
    assert "[red]odd[/red]" in text
    assert "\x1b" not in text
    words = " ".join(text.split())
    assert all(word in words for word in error.split())


def test_bars_grow_with_probability():
    def bar(p):
        return max(shown(prediction_table([answered("x", "angry", p)])).count(block) for block in "█")

    assert [bar(p) for p in (0.2, 0.4, 0.7, 1.0)] == [0, 1, 2, 3]


def test_all_failed_and_nothing_at_all():
    assert "empty" in shown(prediction_table([Prediction("x.wav", error="empty")]))
    assert "recording" in shown(prediction_table([]))


def test_short_names_stay_apart():
    for labels in LABEL_SETS.values():
        short = short_names(labels.names)
        assert len(set(short)) == len(labels.names)
        assert labels.name == "emobox_asvpesd" or all(len(name) == 3 for name in short)  # disgust and disappointed
    assert short_names(("joyful", "joyless")) == ("joyful", "joyless")


def test_shorten():
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcdef", 4, keep_end=True) == "…def"
    assert shorten("a\nb\x1bc", 9) == "a b c"


ROWS = [
    answered("folder/a$b$c_1.wav", "sad", 0.4, "costs $5 and $6"),
    Prediction("folder/b.wav", error="cannot read it: $empty$"),
    answered("folder/c.wav", "other", 1.0),
]


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_pictures_are_whole_and_the_same_twice(tmp_path, suffix, start):
    first, second = tmp_path / f"a{suffix}", tmp_path / "deeper" / f"b{suffix.upper()}"
    draw_predictions(ROWS, first, "what $nano$ hears")
    draw_predictions(ROWS, second, "what $nano$ hears")
    assert first.read_bytes().startswith(start)
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [first.name]


def test_a_picture_states_what_it_shows(tmp_path):
    draw_predictions(ROWS, tmp_path / "a.svg", "what $nano$ hears")
    text = (tmp_path / "a.svg").read_text("utf-8")
    for words in ("what $nano$ hears", "a$b$c_1.wav", "“costs $5 and $6”", "0.40", "1.00", "$empty$", *NINE.names):
        assert f"<!-- {words}" in text or words in text


def test_long_lists_say_what_is_missing(tmp_path):
    draw_predictions([answered(f"{i}.wav") for i in range(MOST + 1)], tmp_path / "a.svg", "many")
    text = (tmp_path / "a.svg").read_text("utf-8")
    assert f"the first {MOST} of {MOST + 1}" in text
    assert f"{MOST}.wav" not in text


def test_recordings_of_one_name_are_distinguished(tmp_path):
    draw_predictions([answered("x/1.wav"), answered("y/1.wav")], tmp_path / "a.svg", "two")
    assert "x/1.wav" in (tmp_path / "a.svg").read_text("utf-8")


def test_mistakes(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"a\.bmp: pictures end in \.png"):
        draw_predictions(ROWS, tmp_path / "a.bmp", "")
    with pytest.raises(UserError, match="there are no predictions"):
        draw_predictions([], tmp_path / "a.png", "")
    (tmp_path / "taken").touch()
    with pytest.raises(UserError, match="cannot write"):
        draw_predictions(ROWS, tmp_path / "taken" / "a.png", "")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"matplotlib: pip install 'emosllm\[eval\]'"):
        draw_predictions(ROWS, tmp_path / "a.png", "")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
