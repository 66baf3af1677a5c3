"""What is written is what an independent reader finds: Praat, pympi, pyarrow, or a strict parser of the format."""

import csv
import io
import json
import re
import sys
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosllm.errors import UserError
from emosllm.timeline.exports import EXPORTS, check_export, export
from emosllm.timeline.segments import Segment, Timeline
from emosllm.timeline.speakers import read_rttm

LABELS = ("angry", "neutral", "sad")
STRANGE = 'She said "no" & <left>;\tcafé — 3 $'


def segment(start, end, label="angry", text: str | None = "Kids are talking.", **more):
    rest = [name for name in LABELS if name != label]
    odds = {name: 0.7 if name == label else 0.3 / len(rest) for name in LABELS}
    return Segment(start, end, label, odds, text, "model" if text is not None else None, **more)


def talk(recording="a talk.wav"):
    """Four turns: strange words, an overlap, no words, an error."""
    cues = [{"pitch": 100.0 + n, "jitter": 0.0123456} for n in range(3)]
    return Timeline(
        recording,
        3725.5,
        "nano",
        LABELS,
        [
            segment(0.0, 2.5, text=STRANGE, speakers=("ann",), cues=cues[0]),
            segment(2.5, 5.1234567, "sad", speakers=("ann", "bob b"), cues=cues[1]),
            segment(60.25, 62, "neutral", None, cues=cues[2]),
            Segment(3700.0, 3725.5, error="the turn is silent"),
        ],
        {"turns": {"shortest": 2.0}},
    )


@pytest.fixture(params=EXPORTS)
def ending(request):
    return request.param


def test_every_format_writes_every_timeline_whole(tmp_path, ending):
    for name, timeline in (("full", talk()), ("empty", Timeline("x.wav", 3.0, "nano", LABELS, []))):
        export(timeline, tmp_path / f"{name}{ending}")
        assert (tmp_path / f"{name}{ending}").stat().st_size > 0 or name == "empty"
    assert len(list(tmp_path.iterdir())) == 2


def test_the_same_timeline_is_the_same_file(ending):
    assert EXPORTS[ending](talk()) == EXPORTS[ending](talk())


def test_json_tells_everything(tmp_path):
    export(talk(), tmp_path / "t.json")
    found = json.loads((tmp_path / "t.json").read_text("utf-8"))
    assert (found["recording"], found["duration"], found["model"]) == ("a talk.wav", 3725.5, "nano")
    assert found["transcripts_from"] == ["model"]
    assert sum(found["shares"].values()) == pytest.approx(1, abs=1e-3)
    first, second, third, last = found["segments"]
    assert first["transcript"] == STRANGE
    assert (second["speaker"], second["overlap"], second["end"]) == ("ann+bob b", True, 5.123)
    assert [s["cues_in_words"].get("pitch") for s in found["segments"]] == ["low", "medium", "high", None]
    assert (third["transcript"], third["transcript_from"]) == (None, None)
    assert (last["label"], last["error"], last["probabilities"]) == (None, "the turn is silent", {})


def test_csv_and_parquet_hold_the_same_rows():
    pq = pytest.importorskip("pyarrow.parquet")
    rows = list(csv.DictReader(io.StringIO(EXPORTS[".csv"](talk()))))
    table = pq.read_table(io.BytesIO(EXPORTS[".parquet"](talk())))
    assert list(rows[0]) == table.column_names
    for row, typed in zip(rows, table.to_pylist(), strict=True):
        for name, value in typed.items():
            assert row[name] == ("" if value is None else value) or float(row[name]) == value
    assert rows[0]["transcript"] == STRANGE
    assert rows[1]["angry"] == "0.15"
    assert json.loads(table.schema.metadata[b"emosllm"])["model"] == "nano"


def test_praat_reads_the_textgrid(tmp_path):
    parselmouth = pytest.importorskip("parselmouth")
    export(talk(), tmp_path / "t.TextGrid")
    grid = parselmouth.read(str(tmp_path / "t.TextGrid"))
    ask = lambda *words: parselmouth.praat.call(grid, *words)  # noqa: E731
    assert (ask("Get start time"), ask("Get end time")) == (0, 3725.5)
    tiers = [ask("Get tier name", n + 1) for n in range(ask("Get number of tiers"))]
    assert tiers == ["emotion", "probability", "transcript", "speaker", "cues", "error"]
    intervals = [
        tuple(ask(f"Get {what} of interval", 1, n + 1) for what in ("start time", "end time", "label"))
        for n in range(ask("Get number of intervals", 1))
    ]
    assert intervals == [
        (0, 2.5, "angry"),
        (2.5, pytest.approx(5.123457), "sad"),
        (pytest.approx(5.123457), 60.25, ""),
        (60.25, 62, "neutral"),
        (62, 3700, ""),
        (3700, 3725.5, "not recognised"),
    ]
    assert ask("Get label of interval", 3, 1) == " ".join(STRANGE.split())


def test_elan_annotations_are_read_by_pympi(tmp_path):
    pympi = pytest.importorskip("pympi")
    export(talk(), tmp_path / "t.eaf")
    found = pympi.Elan.Eaf(str(tmp_path / "t.eaf"))
    assert list(found.get_tier_names()) == ["emotion", "probability", "transcript", "speaker", "cues", "error"]
    emotions = [entry[:3] for entry in found.get_annotation_data_for_tier("emotion")]
    assert emotions == [
        (0, 2500, "angry"),
        (2500, 5123, "sad"),
        (60250, 62000, "neutral"),
        (3700000, 3725500, "not recognised"),
    ]
    assert found.get_annotation_data_for_tier("transcript")[0][2] == " ".join(STRANGE.split())
    assert found.get_linked_files()[0]["RELATIVE_MEDIA_URL"] == "./a%20talk.wav"


def test_elan_has_the_order_and_the_references_of_its_schema():
    root = ET.fromstring(EXPORTS[".eaf"](talk()))
    assert [child.tag for child in root][:2] == ["HEADER", "TIME_ORDER"]
    assert root[-1].tag == "LINGUISTIC_TYPE"
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values())
    ids = [annotation.get("ANNOTATION_ID") for annotation in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(ids) == len(set(ids))
    for annotation in root.iter("ALIGNABLE_ANNOTATION"):
        assert slots[annotation.get("TIME_SLOT_REF1")] < slots[annotation.get("TIME_SLOT_REF2")]
    assert {tier.get("LINGUISTIC_TYPE_REF") for tier in root.iter("TIER")} == {"emosllm"}


def test_audacity_labels_are_two_times_and_a_text():
    lines = EXPORTS[".txt"](talk()).splitlines()
    assert all(re.fullmatch(r"\d+\.\d{6}\t\d+\.\d{6}\t[^\t]+", line) for line in lines)
    assert lines[1] == "2.500000\t5.123457\tann+bob b: sad 0.70 Kids are talking."
    assert lines[3].endswith("not recognised: the turn is silent")


def subtitles(text, point):
    """Blocks of SRT or WebVTT: number, start, end, text; anything else is no subtitle."""
    clock = rf"(\d\d+):([0-5]\d):([0-5]\d){point}(\d{{3}})"
    found = []
    for block in text.strip("\n").split("\n\n"):
        number, times, words = block.split("\n")
        start_end = re.fullmatch(rf"{clock} --> {clock}", times)
        h, m, s, ms, *end = map(int, start_end.groups())
        found.append((int(number), (h * 60 + m) * 60 + s + ms / 1000, (end[0] * 60 + end[1]) * 60 + end[2], words))
    return found


def test_srt_numbers_its_subtitles_and_writes_hours():
    found = subtitles(EXPORTS[".srt"](talk()), ",")
    assert [number for number, *_ in found] == [1, 2, 3, 4]
    assert [start for _, start, *_ in found] == [0, 2.5, 60.25, 3700]
    assert found[3][2:] == (3725, "[not recognised]")
    assert found[0][3] == f"ann: [angry] {' '.join(STRANGE.split())}"


def test_vtt_begins_with_its_name_and_escapes_what_it_must():
    head, note, *rest = EXPORTS[".vtt"](talk()).split("\n\n")
    assert head == "WEBVTT"
    assert note.startswith("NOTE Emotions by nano")
    found = subtitles("\n\n".join(rest), r"\.")
    assert found[0][3] == '<v ann>[angry] She said "no" &amp; &lt;left&gt;; café — 3 $'
    assert found[1][3].startswith("<v ann+bob b>[sad]")
    assert "-->" not in note


def test_rttm_is_read_back_with_its_speakers(tmp_path):
    export(talk(), tmp_path / "t.rttm")
    speakers = read_rttm(tmp_path / "t.rttm")
    assert speakers.split(1, 4) == [(1, 2.5, ("ann",)), (2.5, 4, ("ann", "bob_b"))]
    lines = [line for line in (tmp_path / "t.rttm").read_text().splitlines() if not line.startswith(";;")]
    assert all(re.fullmatch(r"SPEAKER a_talk 1 \d+\.\d{3} \d+\.\d{3} <NA> <NA> \S+ <NA> <NA>", line) for line in lines)


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=40), st.text(max_size=10))
def test_no_words_break_a_format(text, name):
    timeline = Timeline("x.wav", 9.0, "nano", LABELS, [segment(1, 2, text=text, speakers=(name,) if name else ())])
    ET.fromstring(EXPORTS[".eaf"](timeline))
    assert len(subtitles(EXPORTS[".srt"](timeline), ",")) == 1
    assert len(subtitles("\n\n".join(EXPORTS[".vtt"](timeline).split("\n\n")[2:]), r"\.")) == 1
    assert len(EXPORTS[".txt"](timeline).splitlines()) == 1
    assert len(list(csv.DictReader(io.StringIO(EXPORTS[".csv"](timeline), newline="")))) == 1
    assert json.loads(EXPORTS[".json"](timeline))["segments"][0]["transcript"] == text
    assert EXPORTS[".textgrid"](timeline).count("intervals [") % 3 == 0


def test_an_unknown_ending_lists_the_known_ones(tmp_path):
    with pytest.raises(UserError, match=r"timelines end in \.json, \.csv"):
        check_export(tmp_path / "x.docx")


def test_parquet_without_pyarrow_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"pip install 'emosllm\[timeline\]'"):
        check_export(tmp_path / "x.parquet")


def test_free_answers_without_probabilities_are_written_and_drawn(tmp_path, ending):
    from emosllm.timeline.plot import draw_timeline

    free = Timeline("x.wav", 9.0, "m", LABELS, [Segment(1, 2, "sad", transcript="Oh.")])
    export(free, tmp_path / f"t{ending}")
    assert "sad" in (tmp_path / f"t{ending}").read_bytes().decode("utf-8", "replace") or ending == ".rttm"
    assert free.shares()["sad"] == 1
    draw_timeline(free, tmp_path / "t.png")
