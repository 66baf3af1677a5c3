"""nEMO and LSSED: corpora that are a table and a folder of recordings."""

import csv

import pytest
from refusals import corpus_refusal

from emosllm.corpora import read_corpus
from emosllm.labels import emotion_name

TSV = (
    "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
    "WR0_surprised_64.wav\tsurprised\tUcho wykrywa dźwięki.\tucho wykrywa dźwięki\tWR0\tmale\t23\n"
    "EB0_neutral_13.wav\tneutral\tInteresuje mnie historia.\tinteresuje mnie historia\tEB0\tfemale\t27\n"
)
LSSED = "name,faces,who,sex,part\n001_a,angry,7,Female,train\n002_b.wav,Disappointed,8,M,test\n003_c,happy,,,\n"


def test_nemo(lay):
    root = lay("samples/WR0_surprised_64.wav", "samples/EB0_neutral_13.flac", **{"data.tsv": TSV})
    neutral, surprise = read_corpus("nemo", root)
    assert (surprise.id, surprise.emotion) == ("WR0_surprised_64", "surprise")
    assert surprise.audio == root / "samples/WR0_surprised_64.wav"
    assert (surprise.speaker, surprise.gender, surprise.language) == ("nemo_WR0", "male", "pl")
    assert surprise.transcript == "Ucho wykrywa dźwięki."
    assert neutral.audio == root / "samples/EB0_neutral_13.flac"
    assert (neutral.emotion, neutral.gender, neutral.corpus) == ("neutral", "female", "nemo")


def test_nemo_without_its_table(lay):
    (one,) = read_corpus("nemo", lay("samples/WR0_happiness_64.wav"))
    assert (one.emotion, one.speaker, one.transcript, one.gender) == ("happy", "nemo_WR0", None, None)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TSV.replace("raw_text", "text"), ["data.tsv has no column 'raw_text'"]),
        (TSV.replace("\tneutral", "\tblank"), ["data.tsv, row 3", "unknown emotion 'blank'"]),
        (TSV + TSV.splitlines(keepends=True)[1], ["data.tsv, row 4", "is already in row 2"]),
        (TSV.splitlines(keepends=True)[0], ["data.tsv is empty"]),
    ],
)
def test_nemo_broken(lay, table, words):
    message = corpus_refusal("nemo", lay(**{"data.tsv": table}))
    for word in words:
        assert word in message


def test_nemo_strange_name(lay):
    assert "is not named as in nEMO" in corpus_refusal("nemo", lay("samples/WR0_joy_1.wav"))


def test_real_nemo_agrees_with_its_manifest(shared):
    with (shared / "nemo/manifest.csv").open(encoding="utf-8") as file:
        rows = {row["path"].removeprefix("samples/")[:-5]: row for row in csv.DictReader(file)}
    utterances = read_corpus("nemo", shared / "nemo")
    assert [utterance.id for utterance in utterances] == sorted(rows)
    for utterance in utterances:
        row = rows[utterance.id]
        assert (utterance.emotion, utterance.speaker) == (emotion_name(row["emotion"]), row["speaker"])
        assert utterance.audio == shared / "nemo" / row["path"]


def test_lssed_as_far_as_it_is_documented(lay):
    root = lay(**{"metadata_english_all.csv": LSSED})
    first, second, third = read_corpus("lssed", root)
    assert (first.id, first.emotion, first.audio) == ("001_a", "angry", root / "wav_all/001_a.wav")
    assert (first.speaker, first.split, first.gender) == (None, None, None)
    assert (second.id, second.emotion, third.emotion) == ("002_b", "disappointed", "happy")


def test_lssed_columns_are_options(lay):
    root = lay(**{"metadata_english_all.csv": LSSED})
    first, second, third = read_corpus("lssed", root, {"speaker": "who", "gender": "sex", "split": "part"})
    assert (first.speaker, first.gender, first.split) == ("lssed_7", "female", "train")
    assert (second.speaker, second.gender, second.split) == ("lssed_8", "male", "test")
    assert (third.speaker, third.gender, third.split) == (None, None, None)


@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        (LSSED, {"emotion": "emo"}, ["no column 'emo'", "found name, faces, who", "emotion=COLUMN"]),
        (LSSED, {"feeling": "faces"}, ["reader of lssed has no option 'feeling'", "emotion, speaker"]),
        (LSSED, {"split": "sex"}, ["row 2", "unknown split 'Female'"]),
        (LSSED.replace("angry", "cross"), {}, ["row 2", "unknown emotion 'cross'"]),
        (LSSED + "001_a,sad,7,F,test\n", {}, ["row 5", "'001_a' is already in row 2"]),
        ("name,faces\n", {}, ["holds nothing of LSSED"]),
    ],
)
def test_lssed_broken(lay, table, options, words):
    message = corpus_refusal("lssed", lay(**{"metadata_english_all.csv": table}), **options)
    for word in words:
        assert word in message
