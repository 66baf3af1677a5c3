"""audformat databases, made here with the package itself: files and segments, mapped labels, splits, mistakes."""

import pickle

import pytest

pytest.importorskip("audformat")

import audformat
import pandas as pd
from refusals import corpus_refusal

from emosllm.corpora import card_of, read_corpus
from emosllm.errors import UserError


@pytest.fixture
def database(tmp_path):
    """A small relation of audEERING's emodb: an emotion table with its two gold standards, and one of files."""
    db = audformat.Database(
        "emodb", source="https://example.org/emodb", languages=["de"], license="CC0-1.0", author="Felix Burkhardt",
        description="Acted\nGerman.",
    )  # fmt: skip
    db.schemes["emotion"] = audformat.Scheme("str", labels=["anger", "boredom", "neutral"])
    db.schemes["speaker"] = audformat.Scheme("int", labels={3: {"gender": "male"}, 8: {"gender": "female"}})
    db.schemes["transcription"] = audformat.Scheme("str", labels={"a01": "Der Lappen liegt auf dem Eisschrank."})
    db.splits["train"] = audformat.Split(audformat.define.SplitType.TRAIN)
    db.splits["evaluation"] = audformat.Split(audformat.define.SplitType.TEST)
    files = ["wav/08a01La.wav", "wav/03a01Wa.wav", "wav/03a01Nc.wav"]
    words = ["boredom", "anger", "neutral"]

    def table(name, part, split=None):
        db[name] = audformat.Table(audformat.filewise_index([files[at] for at in part]), split_id=split)
        db[name]["emotion"] = audformat.Column(scheme_id="emotion")
        db[name]["emotion"].set([words[at] for at in part])

    table("emotion", [0, 1, 2])
    table("emotion.train", [1, 2], "train")
    table("emotion.test", [0], "evaluation")
    db["files"] = audformat.Table(audformat.filewise_index(files))
    db["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    db["files"]["speaker"].set([8, 3, 3])
    db["files"]["transcription"] = audformat.Column(scheme_id="transcription")
    db["files"]["transcription"].set(["a01", "a01", None])
    db["files"]["arousal"] = audformat.Column()
    db["files"]["arousal"].set([0.25, 0.5, None])
    return db


def test_files(database, tmp_path):
    database.save(str(tmp_path))
    neutral, angry, bored = read_corpus("audformat", tmp_path)
    assert (bored.id, bored.audio) == ("wav/08a01La.wav", tmp_path / "wav/08a01La.wav")
    assert (bored.emotion, bored.speaker, bored.gender) == ("bored", "emodb_8", "female")
    assert (bored.transcript, bored.arousal) == ("Der Lappen liegt auf dem Eisschrank.", 0.25)
    assert (neutral.transcript, neutral.arousal, neutral.valence) == (None, None, None)
    assert (angry.speaker, angry.gender, angry.language, angry.corpus) == ("emodb_3", "male", "de", "emodb")
    assert [u.split for u in (neutral, angry, bored)] == ["train", "train", "test"]
    assert (angry.start, angry.end) == (0.0, None)


def test_one_table(database, tmp_path):
    database.save(str(tmp_path))
    (bored,) = read_corpus("audformat", tmp_path, {"tables": "emotion.test"})
    assert bored.emotion == "bored"


def test_segments(tmp_path):
    db = audformat.Database("talk show", languages=["eng", "deu"])
    index = audformat.segmented_index(["a.wav", "a.wav"], [0, pd.Timedelta("1.5s")], [pd.Timedelta("1.5s"), pd.NaT])
    db["segments"] = audformat.Table(index)
    db["segments"]["mood"] = audformat.Column()
    db["segments"]["mood"].set(["happy", "no_agreement"])
    db["files"] = audformat.Table(audformat.filewise_index(["a.wav"]))
    db["files"]["speaker"] = audformat.Column()
    db["files"]["speaker"].set(["host"])
    db.save(str(tmp_path))
    first, second = read_corpus("audformat", tmp_path, {"emotion": "mood"})
    assert (first.id, first.start, first.end, first.emotion) == ("a.wav#0-1.5", 0.0, 1.5, "happy")
    assert (second.id, second.start, second.end, second.emotion) == ("a.wav#1.5-", 1.5, None, None)
    assert first.speaker == second.speaker == "talk show_host"
    assert (first.language, first.split) == (None, None)


def test_the_card_is_the_databases_own(database, tmp_path):
    database.save(str(tmp_path))
    card = card_of("audformat", tmp_path)
    assert (card.title, card.citation) == ("emodb", "Felix Burkhardt")
    assert card.licence == "CC0-1.0 (https://creativecommons.org/publicdomain/zero/1.0/)"
    assert (card.origin, card.notes) == ("https://example.org/emodb", ("Acted German.",))


def test_scales_are_those_of_the_schemes(database, tmp_path):
    database.schemes["arousal"] = audformat.Scheme("float", minimum=-1, maximum=1)
    database.schemes["pleasure"] = audformat.Scheme("float", minimum=0, maximum=100)
    database["files"]["mood"] = audformat.Column(scheme_id="pleasure")
    database["files"]["mood"].set([10.0, 90.0, 50.0])
    database.save(str(tmp_path))
    assert card_of("audformat", tmp_path).scales == {"arousal": (-1, 1)}
    options = {"valence": "mood", "emotion": "emotion"}
    assert card_of("audformat", tmp_path, options).scales == {"arousal": (-1, 1), "valence": (0, 100)}
    assert read_corpus("audformat", tmp_path, options)[-1].valence == 10.0


def test_tables_that_contradict_each_other(database, tmp_path):
    database["emotion.train"]["emotion"].set(["anger", "boredom"])
    database.save(str(tmp_path))
    assert "tables contradict each other in 'emotion'" in corpus_refusal("audformat", tmp_path)
    assert len(read_corpus("audformat", tmp_path, {"tables": "emotion"})) == 3


def test_a_file_on_two_sides(database, tmp_path):
    index = audformat.filewise_index(["wav/08a01La.wav"])
    database["leak"] = audformat.Table(index, split_id="train")
    database["leak"]["emotion"] = audformat.Column(scheme_id="emotion")
    database["leak"]["emotion"].set(["boredom"])
    database.save(str(tmp_path))
    assert "wav/08a01La.wav is in split test and in train" in corpus_refusal("audformat", tmp_path)


def test_mistakes(database, tmp_path):
    database.save(str(tmp_path))
    assert "has no emotion in 'feeling': it has " in corpus_refusal("audformat", tmp_path, emotion="feeling")
    assert "has no table 'none': it has emotion, " in corpus_refusal("audformat", tmp_path, tables="none")
    assert "wav/03a01Wa.wav: unknown emotion 'Der Lappen" in corpus_refusal(
        "audformat", tmp_path, emotion="transcription"
    )
    (tmp_path / "db.yaml").write_text("name: [")
    message = corpus_refusal("audformat", tmp_path)
    assert f"{tmp_path} is a broken audformat database" in message


def test_without_the_package(tmp_path, monkeypatch):
    (tmp_path / "db.yaml").write_text("name: x")
    monkeypatch.setitem(__import__("sys").modules, "audformat", None)
    assert "pip install 'emosllm[corpora]'" in corpus_refusal("audformat", tmp_path)


class Marker:
    """An object whose unpickling, or construction by an unsafe YAML loader, makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickled_table_is_never_opened(database, tmp_path):
    database.save(str(tmp_path))
    ran = tmp_path / "RAN"
    (tmp_path / "db.emotion.pkl").write_bytes(pickle.dumps(Marker(ran)))  # newer than the CSV: audformat prefers it
    assert len(read_corpus("audformat", tmp_path)) == 3
    assert not ran.exists()
    for path in tmp_path.glob("db.emotion.*"):
        if path.suffix in (".csv", ".parquet") and path.stem == "db.emotion":
            path.unlink()
    message = corpus_refusal("audformat", tmp_path)
    assert "db.emotion.pkl is a pickle, which can run code when opened: save the table as CSV" in message
    assert not ran.exists()
    audformat.Database.load(str(tmp_path), load_data=False)  # the header is sound
    with pytest.raises(Exception):  # noqa: B017
        audformat.Database.load(str(tmp_path), load_data=True)
    assert ran.exists()  # the planted pickle works where it is opened


def test_a_header_that_constructs_objects_is_refused(database, tmp_path):
    database.save(str(tmp_path))
    ran = tmp_path / "RAN"
    text = (tmp_path / "db.yaml").read_text("utf-8")
    planted = f'source: !!python/object/apply:os.mkdir ["{ran}"]'
    lines = [planted if line.startswith("source:") else line for line in text.splitlines()]
    (tmp_path / "db.yaml").write_text("\n".join(lines), "utf-8")
    message = corpus_refusal("audformat", tmp_path)
    assert f"{tmp_path} is a broken audformat database" in message
    assert "python/object/apply:os.mkdir" in message
    with pytest.raises(UserError):
        card_of("audformat", tmp_path)
    assert not ran.exists()


def test_a_table_without_a_file(database, tmp_path):
    database.save(str(tmp_path))
    for path in tmp_path.glob("db.files.*"):
        path.unlink()
    assert "has no file for the table 'files': expected db.files.csv or db.files.parquet" in corpus_refusal(
        "audformat", tmp_path
    )


@pytest.mark.parametrize("storage", ["csv", "parquet"])
def test_tables_in_both_formats(database, tmp_path, storage):
    database.save(str(tmp_path), storage_format=storage)
    assert [path.suffix for path in tmp_path.glob("db.files.*")] == [f".{storage}"]
    assert [u.emotion for u in read_corpus("audformat", tmp_path)] == ["neutral", "angry", "bored"]


def test_labels_that_lie_in_a_table_of_their_own(database, tmp_path):
    database["people"] = audformat.MiscTable(pd.Index([3, 8], dtype="Int64", name="speaker"))
    database["people"]["gender"] = audformat.Column()
    database["people"]["gender"].set(["male", "female"])
    del database["files"].columns["speaker"]
    database["files"].df.drop(columns="speaker", inplace=True)
    database.schemes["speaker"].replace_labels("people")
    database["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    database["files"]["speaker"].set([8, 3, 3])
    database.save(str(tmp_path))
    assert [u.speaker for u in read_corpus("audformat", tmp_path)] == ["emodb_3", "emodb_3", "emodb_8"]
