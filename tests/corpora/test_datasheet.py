"""Datasheets: counts, shares, and the names of everything that is missing or broken."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emosllm.corpora.card import Card
from emosllm.corpora.datasheet import Datasheet
from emosllm.corpora.durations import measure
from emosllm.utterance import Utterance

CARD = Card(
    title="Miniature",
    layout="a.wav",
    origin="https://example.org",
    licence="CC0 1.0",
    citation="Nobody (2026)",
    expected=5,
    splits={"train": 3, "test": 2},
    notes=("It is small.",),
)


def sound(path: Path, seconds: float, rate: int = 16_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.sin(np.arange(round(seconds * rate)) / 20), rate)
    return path


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    cut = sound(tmp_path / "cut.wav", 1.0)
    cut.write_bytes(cut.read_bytes()[:2000])
    long = sound(tmp_path / "long.flac", 2.5, 44_100)
    return [
        Utterance(id="z", audio=sound(tmp_path / "z.wav", 1.5), emotion="sad", speaker="s_1", gender="female",
                  language="en", split="train", votes={"sad": 2}),
        Utterance(id="first", audio=long, end=1.0, emotion="sad", speaker="s_2", split="train", valence=2.0),
        Utterance(id="rest", audio=long, start=1.0, emotion="angry", speaker="s_2", split="test"),
        Utterance(id="beyond", audio=long, start=2.45, emotion="angry"),
        Utterance(id="text", audio=tmp_path / "text.wav", emotion="angry"),
        Utterance(id="cut", audio=cut, emotion="angry"),
        Utterance(id="gone", audio=tmp_path / "gone.wav", emotion="angry"),
        Utterance(id="words", transcript="words alone"),
        Utterance(id="nothing"),
    ]  # fmt: skip


@pytest.mark.parametrize("jobs", [1, 8, None])
def test_durations_in_order(corpus, jobs):
    usable, broken = measure(corpus, jobs)
    assert [(u.id, u.duration) for u in usable] == [
        ("z", 1.5),
        ("first", 1.0),
        ("rest", 1.5),
        ("words", None),
        ("nothing", None),
    ]
    assert sorted(path.name for path in broken) == ["cut.wav", "gone.wav", "long.flac", "text.wav"]
    said = {path.name: line for path, line in broken.items()}
    assert "cut.wav is truncated" in said["cut.wav"]
    assert "gone.wav does not exist" in said["gone.wav"]
    assert "text.wav is not audio" in said["text.wav"]
    assert "2.45 to 2.5 s are not in a recording of 2.500 s" in said["long.flac"]


def test_many_files_keep_their_order(tmp_path):
    lengths = [0.2 + 0.01 * (n % 7) for n in range(200)]
    rows = [Utterance(id=str(n), audio=sound(tmp_path / f"{n}.wav", s, 1000)) for n, s in enumerate(lengths)]
    usable, broken = measure(rows, 16)
    assert not broken
    assert [u.duration for u in usable] == pytest.approx(lengths, abs=1e-3)


def sheet_of(corpus) -> Datasheet:
    return Datasheet.of("miniature", CARD, corpus, *measure(corpus))


def test_the_sheet_counts_what_goes_into_the_manifest(corpus):
    sheet = sheet_of(corpus)
    assert [u.id for u in sheet.utterances] == ["z", "first", "rest", "words"]
    assert list(sheet.wordless) == ["nothing"]
    assert sheet.speakers == 2
    assert sheet.hours * 3600 == pytest.approx(4.0)
    assert sheet.differences == [
        "Miniature: 9 utterances, the complete corpus has 5; scores will not compare",
        "Miniature: splits: train 2 (complete: 3), test 1 (complete: 2); scores will not compare",
    ]
    told = json.loads(json.dumps(sheet.to_dict()))
    assert told["emotions"] == {"sad": 2, "angry": 1, "none": 1}
    assert told["splits"] == {"train": 2, "test": 1, "none": 1}
    assert told["rated"] == {"valence": 1, "arousal": 0, "dominance": 0, "votes": 1}
    assert told["missing"][0] == "no recording: 1 of 4 utterances"
    assert len(told["broken"]) == 4


def test_the_datasheet_has_scales_and_values_outside_them(corpus):
    scaled = replace(CARD, scales={"valence": (1, 5), "arousal": (1, 5)})
    rated = [replace(utterance, valence=value) for utterance, value in zip(corpus[:3], (1.0, 5.5, 2.0), strict=True)]
    sheet = Datasheet.of("miniature", scaled, rated, *measure(rated))
    assert "Also rated: valence (3, on 1 to 5, 1 outside it), votes (1)." in sheet.to_markdown()
    assert json.loads(json.dumps(sheet.to_dict()))["scales"] == {"valence": [1, 5], "arousal": [1, 5]}


def test_the_page(corpus):
    page = sheet_of(corpus).to_markdown()
    for line in (
        "# Miniature",
        "4 utterances, 0.00 hours, 2 speakers, languages: en.",
        "Spoken by women 1, men 0, not stated 3.",
        "Also rated: valence (1), votes (1).",
        "| sad | 2 | 66.7% |",
        "| angry | 1 | 33.3% |",
        "| (no label) | 1 | |",
        "| train | 2 | 0.00 | 2 |",
        "- Licence: CC0 1.0.",
        "- Cite: Nobody (2026).",
        "- Note: It is small.",
        "- recordings left out: 4, namely",
        "- left out, with neither recording nor transcript: 1",
    ):
        assert line in page.splitlines()
    assert page.count("    - ") == 4


def test_a_complete_corpus_lacks_nothing(tmp_path):
    one = Utterance(
        id="a", audio=sound(tmp_path / "a.wav", 1), transcript="a", emotion="sad", speaker="s", split="train"
    )
    card = Card("Whole", "a.wav", "o", "l", "c", expected=1, splits={"train": 1}, emotions={"sad": 1}, speakers=1)
    page = Datasheet.of("whole", card, [one], *measure([one])).to_markdown()
    assert "Nothing: every count is that of the complete corpus" in page


def test_text_alone_has_no_hours():
    page = Datasheet.of(
        "x", Card("X", "l", "o", "l", "c"), *[[Utterance(id="a", transcript="a")]] * 2, {}
    ).to_markdown()
    assert "1 utterances, no recordings, no speakers named, languages: not stated." in page
    assert "| emotion |" not in page
