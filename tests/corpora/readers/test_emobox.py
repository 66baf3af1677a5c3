"""EmoBox's lists in miniature, with the traps of the real ones: wrong speakers, maps that do not fit, X as a class."""

import json

import pytest
from refusals import corpus_refusal

from emosllm.corpora import read_corpus
from emosllm.corpora.readers import emobox
from emosllm.labels import emotion_name


def line(corpus, key, wav, emo, **more):
    entry = {"key": f"{corpus}-{key}", "dataset": corpus, "wav": f"downloads/{corpus}/{wav}", "length": 1.5, "emo": emo}
    return json.dumps(entry | more) + "\n"


def stm(corpus, *pairs):
    return "".join(
        f"{corpus}-{key} 1 {who} 0 1.5 <id={corpus}-{key},lang=en,spk={who},emotion=x> x\n" for key, who in pairs
    )


@pytest.fixture
def fold(lay):
    def lay_out(corpus, train, test, label_map=None, stm="", valid=None, number=1):
        at = f"data/{corpus}"
        files = {
            f"{at}/fold_{number}/{corpus}_train_fold_{number}.jsonl": train,
            f"{at}/fold_{number}/{corpus}_test_fold_{number}.jsonl": test,
            f"{at}/data.seg.wrd.stm": stm,
        }
        if label_map is not None:
            files[f"{at}/label_map.json"] = json.dumps(label_map)
        if valid is not None:
            files[f"{at}/fold_{number}/{corpus}_valid_fold_{number}.jsonl"] = valid
        return lay(**files)

    return lay_out


IEMOCAP = {"neu": "Neutral", "hap": "Happy", "ang": "Angry", "sad": "Sad", "exc": "Happy"}
TRAIN = line("iemocap", "Ses01F_impro01_M003", "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M003.wav", "exc")
TEST = line("iemocap", "Ses02F_impro01_F000", "Session2/Ses02F_impro01_F000.wav", "neu")


def test_a_fold_of_iemocap(fold):
    root = fold("iemocap", TRAIN, TEST, IEMOCAP, stm("iemocap", ("Ses01F_impro01_M003", "Ses01F")), number=2)
    train, test = read_corpus("emobox", root, {"corpus": "iemocap", "fold": "2"})
    assert (train.split, test.split) == ("train", "test")
    assert (train.emotion, train.language, train.corpus, train.duration) == ("happy", "en", "iemocap", 1.5)
    assert train.audio == root / "downloads/iemocap/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M003.wav"
    # The list says Ses01F, which is the session: the turn is the man's.
    assert (train.speaker, train.session) == ("iemocap_1M", "iemocap_1")
    assert test.speaker is None


def test_recordings_elsewhere_and_the_data_folder_itself(fold, tmp_path):
    root = fold("iemocap", TRAIN, TEST, IEMOCAP)
    _, test = read_corpus("emobox", root / "data", {"corpus": "iemocap", "audio": str(tmp_path / "mine")})
    assert test.audio == tmp_path / "mine/iemocap/Session2/Ses02F_impro01_F000.wav"


def test_speakers_of_the_lists_are_those_of_our_own_readers(fold):
    train = line("cremad", "1087-IWL-ANG-XX", "AudioWAV/1087_IWL_ANG_XX.wav", "ANG")
    test = line("cremad", "1001-IWL-SAD-XX", "AudioWAV/1001_IWL_SAD_XX.wav", "SAD")
    root = fold("cremad", train, test, {"ANG": "Angry", "SAD": "Sad"}, stm("cremad", ("1087-IWL-ANG-XX", "1087")))
    first, _ = emobox.read(root, "cremad")
    assert (first.corpus, first.speaker) == ("crema_d", "crema_d_1087")


def test_emodb_whose_map_says_neutral_with_a_capital(fold):
    root = fold(
        "emodb",
        line("emodb", "03a01Nc", "wav/03a01Nc.wav", "neutral"),
        line("emodb", "08a01La", "wav/08a01La.wav", "boredem"),
        {"boredem": "Boredom", "Neutral": "Neutral"},
        stm("emodb", ("03a01Nc", "male_03"), ("08a01La", "female_08")),
    )
    neutral, bored = emobox.read(root, "emodb")
    assert (neutral.emotion, neutral.speaker) == ("neutral", "emodb_03")
    assert (bored.emotion, bored.speaker) == ("bored", "emodb_08")


def test_emovo_which_has_no_map(fold):
    root = fold("emovo", line("emovo", "gio-f2-b2", "a.wav", "gio"), line("emovo", "rab-f1-b2", "b.wav", "rab"))
    assert [u.emotion for u in emobox.read(root, "emovo")] == ["happy", "angry"]


def test_msp_podcast_whose_no_agreement_is_a_class_there(fold):
    root = fold(
        "msppodcast",
        line("msppodcast", "MSP-PODCAST_0001_0008", "Audio/a.wav", "X"),
        line("msppodcast", "MSP-PODCAST_0002_0008", "Audio/b.wav", "O"),
        {"X": "No-agreement", "O": "Other", "N": "Neutral"},
        valid=line("msppodcast", "MSP-PODCAST_0003_0008", "Audio/c.wav", "N"),
    )
    unagreed, neutral, other = emobox.read(root, "msppodcast")
    assert (unagreed.emotion, unagreed.split, unagreed.corpus) == (None, "train", "msp_podcast")
    assert (neutral.split, other.emotion) == ("val", "other")
    assert emobox.label_set(root, "msppodcast").names == ("other", "neutral")


def test_speakers_that_are_files_are_none(fold):
    key = "32_happiness_enthusiasm_h_120.wav"
    train, test = line("resd", key, "a.wav", "enthusiasm"), line("resd", "b", "b.wav", "enthusiasm")
    root = fold("resd", train, test, {"enthusiasm": "Enthusiastic"}, stm("resd", (key, key)))
    first, _ = emobox.read(root, "resd")
    assert (first.emotion, first.speaker) == ("enthusiastic", None)


def test_stretches_of_a_long_recording(fold):
    train = line("pavoque", "m1-poker", "pavoque-poker.flac", "poker", start_time=2.5, end_time=4.0)
    root = fold("pavoque", train, line("pavoque", "m2-sad", "s.flac", "sad"), {"poker": "Poker", "sad": "Sad"})
    first, second = emobox.read(root, "pavoque")
    assert (first.start, first.end, first.emotion) == (2.5, 4.0, "poker_faced")
    assert (second.start, second.end) == (0.0, None)


def test_another_test_list(fold):
    root = fold("mer2023", line("mer2023", "a", "a.avi", "worried"), line("mer2023", "b", "b.avi", "worried"),
                {"worried": "Worried"})  # fmt: skip
    assert "mer2023, fold 1, test2" in corpus_refusal("emobox", root, corpus="mer2023", test="test2")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["reader of emobox needs corpus", "corpus=..."]),
        ({"corpus": "iemo"}, ["no corpus 'iemo'", "there are iemocap"]),
        ({"corpus": "tess"}, ["no corpus 'tess'", "there are iemocap"]),
        ({"corpus": "iemocap", "fold": "7"}, ["no fold 7 of iemocap", "there are 1"]),
        ({"corpus": "iemocap", "fold": "one"}, ["fold 'one' is not a whole number"]),
    ],
)
def test_what_is_not_there(fold, options, words):
    message = corpus_refusal("emobox", fold("iemocap", TRAIN, TEST, IEMOCAP), **options)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("train", "test", "label_map", "words"),
    [
        (TRAIN, TRAIN, IEMOCAP, ["iemocap_test_fold_1.jsonl, row 1", "'iemocap-Ses01F_impro01_M003' is already in"]),
        (TRAIN + "{", TEST, IEMOCAP, ["iemocap_train_fold_1.jsonl, row 2: broken line"]),
        ('{"key": "x"}', TEST, IEMOCAP, ["row 1: broken line (needs key, wav and emo)"]),
        ("[1]", TEST, IEMOCAP, ["row 1: broken line"]),
        ("", TEST, IEMOCAP, ["iemocap_train_fold_1.jsonl is empty"]),
        (TRAIN, TEST, {"exc": "Happy"}, ["row 1: 'neu' is not in label_map.json"]),
        (TRAIN, TEST, IEMOCAP | {"sur": "Shock"}, ["label_map.json, row 7", "unknown emotion 'shock'"]),
        (TRAIN, TEST, None, ["label_map.json is missing"]),
        (TRAIN, TEST, ["neu"], ["label_map.json is not a map"]),
    ],
)
def test_broken_lists(fold, train, test, label_map, words):
    message = corpus_refusal("emobox", fold("iemocap", train, test, label_map), corpus="iemocap")
    for word in words:
        assert word in message


def test_the_table_of_corpora():
    assert len(emobox.CORPORA) == 32
    assert emobox.card("tess").expected == 2800
    assert emobox.card("tess").title == "EmoBox tess"
    assert sum(count for _, count in emobox.CORPORA.values()) == 262_020
    assert not emobox.SHARED_SPEAKERS - emobox.CORPORA.keys()
    assert all(emotion_name(name) == name for words in emobox._WORDS.values() for name in words.values())
    assert all(emotion_name(name) == name for name in emobox._NAMES.values())
