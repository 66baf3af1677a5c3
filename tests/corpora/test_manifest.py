"""The generic manifest: reading, writing and reading again, and one clear line for every mistake."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refusal

from emosllm.corpora.manifest import missing_files, read_manifest, write_manifest
from emosllm.errors import UserError
from emosllm.labels import FINER, LETTERS
from emosllm.utterance import Utterance

HEADER = "path,speaker,emotion,split\n"


def manifest(folder: Path, text: str | bytes, name: str = "all.csv") -> Path:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


def manifest_refusal(path: Path) -> str:
    message = refusal(read_manifest, path)
    assert str(path) in message
    return message


def test_every_column(tmp_path):
    path = manifest(
        tmp_path,
        "path,id,speaker,emotion,transcript,language,gender,corpus,split,msp,duration,start,end,mood\n"
        'a/b.wav,one,s_1,Anger,"Yes, now.",en,female,mine,dev,,2.5,0.5,1.75,foul\n',
    )
    assert read_manifest(path) == [
        Utterance(
            id="one",
            audio=tmp_path / "a/b.wav",
            start=0.5,
            end=1.75,
            transcript="Yes, now.",
            emotion="angry",
            speaker="s_1",
            gender="female",
            language="en",
            corpus="mine",
            split="val",
            duration=2.5,
        )
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("all.csv", " path , emotion \nx.wav , sad \n\n"),
        ("all.CSV", "\ufeffpath,emotion\r\nx.wav,sad\r\n"),
        ("all.tsv", "path\temotion\nx.wav\tsad\n"),
        ("all.jsonl", '{"path": "x.wav", "emotion": "sad", "speaker": null, "extra": {"any": [1]}}\n\n'),
    ],
)
def test_kinds_of_table(name, text, tmp_path):
    (utterance,) = read_manifest(manifest(tmp_path, text, name))
    assert utterance == Utterance(id="x.wav", audio=tmp_path / "x.wav", emotion="sad")


def test_numbers_in_json_lines(tmp_path):
    (one,) = read_manifest(manifest(tmp_path, '{"path": "x.wav", "speaker": 7, "start": 1, "end": 2.5}', "a.jsonl"))
    assert (one.speaker, one.start, one.end) == ("7", 1.0, 2.5)


def test_the_letter_wins_over_the_word(tmp_path):
    path = manifest(tmp_path, "path,emotion,msp\na.wav,calm,N\nb.wav,calm,\nc.wav,,H\nd.wav,sad,X\ne.wav,,\n")
    assert [u.emotion for u in read_manifest(path)] == ["neutral", "calm", "happy", None, None]


def test_splits_in_all_their_spellings(tmp_path):
    words = ["train", "Train", "val", "dev", "validation", "Development", "test", "Test1", ""]
    path = manifest(tmp_path, "path,split\n" + "".join(f"{n}.wav,{word}\n" for n, word in enumerate(words)))
    assert [u.split for u in read_manifest(path)] == ["train"] * 2 + ["val"] * 4 + ["test"] * 2 + [None]


def test_several_stretches_of_one_file_have_ids_of_their_own(tmp_path):
    path = manifest(tmp_path, "path,start,end\nlong.wav,0,1.5\nlong.wav,1.5,3\nlong.wav,3,\n")
    utterances = read_manifest(path)
    assert [u.id for u in utterances] == ["long.wav#0-1.5", "long.wav#1.5-3", "long.wav#3-"]
    assert [(u.start, u.end) for u in utterances] == [(0.0, 1.5), (1.5, 3.0), (3.0, None)]


@pytest.mark.parametrize("text", ["transcript,emotion\nHow nice,joy\n", "path,transcript,emotion\n,How nice,joy\n"])
def test_text_without_speech(text, tmp_path):
    assert read_manifest(manifest(tmp_path, text)) == [Utterance(id="row-2", transcript="How nice", emotion="happy")]


def test_absolute_paths_and_inner_dots(tmp_path):
    path = manifest(tmp_path, "path\n/elsewhere/a.wav\nsub/../b.wav\n..c.wav\n")
    assert [u.audio for u in read_manifest(path)] == [
        Path("/elsewhere/a.wav"),
        tmp_path / "sub/../b.wav",
        tmp_path / "..c.wav",
    ]


def test_words_for_gender(tmp_path):
    path = manifest(tmp_path, "path,gender\na,F\nb,Male\nc,diverse\nd,\n")
    assert [u.gender for u in read_manifest(path)] == ["female", "male", None, None]


def test_missing_files_are_listed_once_and_sorted(tmp_path):
    (tmp_path / "here.wav").touch()
    path = manifest(tmp_path, "path,start\nz.wav,\nhere.wav,\na.wav,0.5\na.wav,1\n")
    assert missing_files(read_manifest(path)) == [tmp_path / "a.wav", tmp_path / "z.wav"]
    assert missing_files([Utterance(id="text", transcript="no audio")]) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("b.wav,,hangry,", ["row 3", "unknown emotion 'hangry'", "anger"]),
        ("b.wav,,sad,holdout", ["row 3", "unknown split 'holdout'", "train, val, dev, validation, development, test"]),
        ("a.wav,,sad,", ["row 3", "'a.wav' is already in row 2", "column `id`"]),
        ("../b.wav,,sad,", ["row 3", "'../b.wav' is a path outside", "absolute"]),
        ("x/../../b.wav,,sad,", ["row 3", "is a path outside"]),
        (",,sad,", ["row 3", "neither a path nor a transcript"]),
        ("b.wav,sad,", ["row 3", "3 cells for 4 columns"]),
        ("b.wav,s,sad,train,Yes, now", ["row 3", "6 cells for 4 columns", "quotes"]),
        ('b.wav,"s,sad,train', ["line 3", "close the quotes"]),
    ],
)
def test_wrong_rows(row, words, tmp_path):
    message = manifest_refusal(manifest(tmp_path, f"{HEADER}a.wav,s,sad,train\n{row}\n"))
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ("soon,,", ["start 'soon' is not a number of seconds"]),
        ("-1,,", ["start '-1' is not"]),
        (",late,", ["end 'late' is not"]),
        (",nan,", ["end 'nan' is not"]),
        (",,3 s", ["duration '3 s' is not", "1.25"]),
        ("2,1,", ["end 1 s is not after start 2 s", "correct"]),
        (",0,", ["end 0 s is not after start 0 s"]),
    ],
)
def test_wrong_times(times, words, tmp_path):
    message = manifest_refusal(manifest(tmp_path, f"path,start,end,duration\na.wav,{times}\n"))
    for word in ["row 2", *words]:
        assert word in message


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("valence", "high", ["valence 'high' is not a number", "3.5"]),
        ("arousal", "inf", ["arousal 'inf' is not a number"]),
        ("votes", "angry", ["votes 'angry' are not raters by emotion", "JSON"]),
        ("votes", "[1]", ["votes '[1]' are not raters"]),
        ("votes", '"{""sad"": -1}"', ["are not raters"]),
        ("votes", '"{""sad"": 1.5}"', ["are not raters"]),
        ("votes", '"{""hangry"": 1}"', ["unknown emotion 'hangry'"]),
        ("votes", '"{""X"": 1}"', ["'X' is not an emotion"]),
    ],
)
def test_wrong_ratings(column, cell, words, tmp_path):
    message = manifest_refusal(manifest(tmp_path, f"path,{column}\na.wav,{cell}\n"))
    for word in ["row 2", *words]:
        assert word in message


def test_votes_in_any_words(tmp_path):
    path = manifest(tmp_path, '{"path": "a.wav", "votes": {"A": 1, "anger": 2, "Neutral": 0}}\n', "all.jsonl")
    (one,) = read_manifest(path)
    assert one.votes == {"angry": 3, "neutral": 0}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "file,emotion\na.wav,sad\n", ["no column 'path'", "found file, emotion"]),
        ("a.csv", "path,path\na.wav,b.wav\n", ["column 'path' twice"]),
        ("a.jsonl", '{"file": "a.wav"}', ["row 1", "no column 'path'", "found file"]),
        ("a.csv", "", ["is empty"]),
        ("a.csv", HEADER, ["is empty", "one row an utterance"]),
        ("a.jsonl", "\n\n", ["is empty"]),
        ("a.csv", "path\nfür.wav\n".encode("latin-1"), ["not UTF-8", "save it again"]),
        ("a.jsonl", '{"path": "a.wav"}\n{"path": ', ["row 2", "broken JSON", "column 10"]),
        ("a.jsonl", '["a.wav"]', ["row 1", "list instead of an object"]),
        ("a.jsonl", '{"path": ["a.wav"]}', ["row 1", "path is ['a.wav']", "text or a number"]),
        ("a.xlsx", "path\na.wav\n", [".csv, .tsv or .jsonl"]),
    ],
)
def test_wrong_manifests(name, text, words, tmp_path):
    message = manifest_refusal(manifest(tmp_path, text, name))
    for word in words:
        assert word in message


def test_no_manifest(tmp_path):
    assert "No such file" in manifest_refusal(tmp_path / "gone.csv")
    (tmp_path / "folder.csv").mkdir()
    assert "cannot read" in manifest_refusal(tmp_path / "folder.csv")


def everything(folder: Path) -> list[Utterance]:
    return [
        Utterance(
            id="one",
            audio=folder / "clips/a.wav",
            start=0.1,
            end=2.3000000001,
            transcript='Er sagte "übel", nun ja.',
            emotion="calm",
            speaker="s_1",
            gender="male",
            language="de",
            corpus="mine",
            split="val",
            duration=1 / 3,
            session="mine_2",
            valence=-0.1,
            arousal=4.2000000001,
            dominance=0.0,
            votes={"calm": 3, "other": 0, "bored": 2},
        ),
        Utterance(id="two", audio=folder.parent / "other.wav"),
        Utterance(id="three", transcript="text alone", emotion="other"),
    ]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_what_is_written_is_read_back(suffix, tmp_path):
    path = tmp_path / f"new/all{suffix}"
    write_manifest(path, everything(tmp_path / "new"))
    assert read_manifest(path) == everything(tmp_path / "new")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=40, deadline=None)  # each writes a file to the disk
@given(
    valence=NUMBERS,
    arousal=NUMBERS,
    dominance=NUMBERS,
    votes=st.none() | st.dictionaries(st.sampled_from([*LETTERS, *FINER]), st.integers(0, 10**9)),
    session=st.none() | st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1),
    suffix=st.sampled_from([".csv", ".tsv", ".jsonl"]),
)
def test_ratings_survive_to_the_last_bit(tmp_path_factory, valence, arousal, dominance, votes, session, suffix):
    path = tmp_path_factory.mktemp("ratings") / f"all{suffix}"
    one = Utterance(
        id="a", transcript="a", session=session, valence=valence, arousal=arousal, dominance=dominance, votes=votes
    )
    write_manifest(path, [one])
    assert read_manifest(path) == [one]


def test_paths_are_relative_where_they_can_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_manifest(
        Path("all.jsonl"), [Utterance(id="1", audio=Path("a/b.wav")), Utterance(id="2", audio=Path("/c.wav"))]
    )
    rows = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    assert rows == [{"path": "a/b.wav", "id": "1"}, {"path": "/c.wav", "id": "2"}]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path):
    path = manifest(tmp_path, "path\na.wav\n")
    held = [Utterance(id="ok", audio=tmp_path / "b.wav"), Utterance(id="mem", audio=np.zeros(9, np.float32))]
    with pytest.raises(UserError, match=r"'mem' has its audio in memory: save it"):
        write_manifest(path, held)
    assert path.read_text() == "path\na.wav\n"
    with pytest.raises(UserError, match=r"all.txt is not a manifest.*\.jsonl"):
        write_manifest(tmp_path / "all.txt", held[:1])


def test_the_shared_manifests(shared):
    utterances = read_manifest(shared / "manifest.csv")
    assert len(utterances) == 3283
    assert not missing_files(utterances)
    sides: dict[str, set[str | None]] = {}
    for utterance in utterances:
        sides.setdefault(utterance.speaker or "", set()).add(utterance.split)
    assert all(len(splits) == 1 for splits in sides.values())
    one_corpus = {replace(u, id=f"emodb/{u.id}") for u in read_manifest(shared / "emodb/manifest.csv")}
    assert one_corpus == {u for u in utterances if u.corpus == "emodb"}
