"""prepare: a manifest and a datasheet from a corpus's folder, and what it says of everything that is not right."""

import json

import pytest
import soundfile as sf
import tiny
from commandline import emosllm, refused

from emosllm.corpora import DOWNLOADS, READERS
from emosllm.corpora.manifest import read_manifest


@pytest.fixture
def emodb(tmp_path):
    folder = tmp_path / "emodb" / "wav"
    folder.mkdir(parents=True)
    for number, name in enumerate(("03a01Wa", "03a01Nc", "08a02Fe")):
        sf.write(folder / f"{name}.wav", tiny.clip(0.4 + 0.1 * number, seed=number), 16_000)
    return tmp_path / "emodb"


def test_a_manifest_and_its_datasheet(emodb, tmp_path):
    out = tmp_path / "made" / "emodb.csv"
    answer = emosllm("prepare", "emodb", emodb, "--out", out)
    assert answer.code == 0
    assert [(u.id, u.emotion, u.duration) for u in read_manifest(out)] == [
        ("03a01Nc", "neutral", 0.5),
        ("03a01Wa", "angry", 0.4),
        ("08a02Fe", "happy", 0.6),
    ]
    page = (tmp_path / "made" / "emodb.csv.datasheet.md").read_text("utf-8")
    assert page.startswith("# EMO-DB\n\n3 utterances, 0.00 hours, 2 speakers, languages: de.")
    assert "- Licence: CC0 1.0." in page
    told = json.loads((tmp_path / "made" / "emodb.csv.datasheet.json").read_text("utf-8"))
    assert (told["corpus"], told["utterances"], told["broken"]) == ("emodb", 3, {})
    assert "EMO-DB" in answer.out
    assert "33.3%" in answer.out
    assert "EMO-DB: 3 utterances, the complete corpus has 535" in answer.err
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "emodb.csv",
        "emodb.csv.datasheet.json",
        "emodb.csv.datasheet.md",
    ]


def test_broken_recordings_are_named_and_left_out(emodb, tmp_path):
    (emodb / "wav" / "09a01Wa.wav").write_bytes(b"")
    for number in range(20):
        (emodb / "wav" / f"10a01F{chr(97 + number)}.wav").write_text("no sound")
    out = tmp_path / "emodb.jsonl"
    answer = emosllm("prepare", "emodb", emodb, "--out", out, "--jobs", "2")
    assert answer.code == 0
    assert len(read_manifest(out)) == 3
    assert "09a01Wa.wav is empty (0 bytes)" in answer.err
    assert answer.err.count("is not audio") == 19
    page = tmp_path / "emodb.jsonl.datasheet.md"
    assert f"and 1 more: {page} lists all" in answer.err
    assert page.read_text("utf-8").count("is not audio") == 20


def test_strict_writes_nothing_of_an_incomplete_corpus(emodb, tmp_path):
    message = refused("prepare", "emodb", emodb, "--out", tmp_path / "m.csv", "--strict")
    assert "3 utterances, the complete corpus has 535" in message
    assert "without --strict" in message
    assert [path.name for path in tmp_path.iterdir()] == ["emodb"]


def test_nothing_that_can_be_used(emodb, tmp_path):
    for path in (emodb / "wav").iterdir():
        path.write_bytes(b"")
    message = refused("prepare", "emodb", emodb, "--out", tmp_path / "m.csv")
    assert f"no utterance of EMO-DB in {emodb} can be used: " in message
    assert "03a01Nc.wav is empty (0 bytes)" in message
    assert "--text reads the transcripts only" in message


def test_no_words_to_take_alone(tmp_path):
    (tmp_path / "metadata_english_all.csv").write_text("name,faces\na,sad\n", "utf-8")
    message = refused("prepare", "lssed", tmp_path, "--text", "--out", tmp_path / "m.csv")
    assert "its rows have no transcripts: prepare it without --text" in message
    assert "--text takes" not in refused("prepare", "lssed", tmp_path, "--out", tmp_path / "m.csv")


def test_words_alone(emodb, tmp_path):
    out = tmp_path / "words.tsv"
    (emodb / "wav" / "03a01Nc.wav").write_bytes(b"")
    answer = emosllm("prepare", "emodb", emodb, "--out", out, "--text")
    assert answer.code == 0
    utterances = read_manifest(out)
    assert [utterance.audio for utterance in utterances] == [None] * 3
    assert utterances[0].transcript == "Der Lappen liegt auf dem Eisschrank."


def test_options_go_to_the_reader(tmp_path):
    (tmp_path / "metadata_english_all.csv").write_text("name,faces,feeling,text\na,1,sad,no\nb,2,happy,yes\n", "utf-8")
    out = tmp_path / "m.csv"
    words = ("prepare", "lssed", tmp_path, "emotion=feeling", "transcript=text", "--text", "--out", out)
    assert emosllm(*words).code == 0
    assert [(u.emotion, u.transcript) for u in read_manifest(out)] == [("sad", "no"), ("happy", "yes")]
    assert "'feeling' is not an option of a reader: write key=value" in refused("prepare", "lssed", tmp_path, "feeling")
    assert "has no option 'mood': it has table, " in refused("prepare", "lssed", tmp_path, "mood=x")


def test_a_manifest_of_another_kind_is_refused_before_anything_is_read(tmp_path):
    message = refused("prepare", "emodb", tmp_path / "nowhere", "--out", tmp_path / "m.xlsx")
    assert "m.xlsx is not a manifest" in message


def test_the_list_has_every_reader_with_its_licence():
    lines = emosllm("prepare", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == [*READERS, *DOWNLOADS]
    assert any("audb" in line and "downloaded" in line for line in lines)
    assert any("ravdess" in line and "CC BY-NC-SA 4.0" in line for line in lines)
