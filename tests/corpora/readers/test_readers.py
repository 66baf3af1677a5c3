"""Each corpus in its real layout, in miniature: what its names mean, and what is said of anything else."""

import csv
from pathlib import Path

import pytest
from refusals import corpus_refusal

from emosllm.corpora import CARDS, READERS, read_corpus
from emosllm.corpora.card import differences
from emosllm.corpora.readers import crema_d, emodb, ravdess
from emosllm.labels import FINER, LETTERS, emotion_name


def test_ravdess(lay):
    root = lay(
        "Actor_12/03-01-06-01-02-01-12.wav",
        "Actor_01/03-01-02-02-01-02-01.flac",
        "Actor_01/03-02-03-01-01-01-01.wav",  # song
        "Actor_01/02-01-03-01-01-01-01.wav",  # video
        "Actor_01/._03-01-03-01-01-01-01.wav",  # left by macOS
        "notes.txt",
    )
    calm, fear = read_corpus("ravdess", root)
    assert calm.audio == root / "Actor_01/03-01-02-02-01-02-01.flac"
    assert (calm.emotion, calm.speaker, calm.gender) == ("calm", "ravdess_01", "male")
    assert calm.transcript == "Kids are talking by the door."
    assert (fear.id, fear.emotion, fear.speaker, fear.gender) == (
        "03-01-06-01-02-01-12",
        "fear",
        "ravdess_12",
        "female",
    )
    assert fear.transcript == "Dogs are sitting by the door."
    assert (fear.language, fear.corpus, fear.split) == ("en", "ravdess", None)


def test_ravdess_song_alone_is_no_speech(lay):
    message = corpus_refusal("ravdess", lay("Actor_01/03-02-03-01-01-01-01.wav"))
    assert "RAVDESS speech" in message
    assert "Actor_01/03-01-06-01-02-01-12.wav" in message


def test_crema_d(lay):
    root = lay("AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_IEO_SAD_HI.wav", "AudioWAV/1040_ITH_SAD_X.wav")
    first, second, third = read_corpus("crema_d", root)
    assert (first.emotion, first.speaker, first.gender) == ("angry", "crema_d_1001", "male")
    assert first.transcript == "Don't forget a jacket."
    assert (second.emotion, second.speaker, second.gender) == ("sad", "crema_d_1002", "female")
    assert second.transcript == "It's eleven o'clock."
    assert third.id == "1040_ITH_SAD_X"
    assert (third.language, third.corpus) == ("en", "crema_d")
    assert len(crema_d.SENTENCES) == 12


VOTES = """\
"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"
"100001",0,0,0,1,10,0,"1001_DFA_ANG_XX",11,0.909090909090909,"N"
"200001",9,0,0,0,0,0,"1001_DFA_ANG_XX",9,1,"A"
"300001",8,1,0,0,0,0,"1001_DFA_ANG_XX",9,0.9,"A"
"""


def test_crema_d_votes_of_those_who_only_heard(lay):
    root = lay(
        "AudioWAV/1001_DFA_ANG_XX.wav",
        "AudioWAV/1002_IEO_SAD_HI.wav",
        **{"processedResults/tabulatedVotes.csv": VOTES},
    )
    first, second = read_corpus("crema_d", root)
    assert (first.emotion, first.votes) == ("angry", {"happy": 1, "neutral": 10})
    assert second.votes is None


def test_crema_d_broken_votes(lay):
    table = {"processedResults/tabulatedVotes.csv": VOTES.replace("1,10", "1,ten")}
    message = corpus_refusal("crema_d", lay("AudioWAV/1001_DFA_ANG_XX.wav", **table))
    assert "tabulatedVotes.csv, row 2: N 'ten' is not a number of raters" in message


def test_crema_d_agrees_with_the_votes_file(shared):
    with (shared / "text/cremad_votes/voice_votes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    women = {int(row["actor"]) for row in rows if row["sex"] == "Female"}
    assert {int(row["actor"]) for row in rows} & crema_d.WOMEN == women
    for row in rows:
        assert crema_d.SENTENCES[row["fileName"].split("_")[1]] == row["transcript"] + "."


@pytest.mark.parametrize(("letter", "emotion"), zip("WTFAENL", emodb.EMOTIONS.values(), strict=True))
def test_emodb_letters(lay, letter, emotion):
    (utterance,) = read_corpus("emodb", lay(f"wav/16b03{letter}a.wav"))
    assert utterance.emotion == emotion
    assert (utterance.speaker, utterance.gender, utterance.language) == ("emodb_16", "female", "de")
    assert utterance.transcript.startswith("An den Wochenenden")


def test_tess(lay):
    root = lay(
        "OAF_Fear/OAF_back_fear.wav",
        "OAF_neutral/OA_bite_neutral.wav",
        "YAF_pleasant_surprised/YAF_young_ps.wav",
    )
    fear, neutral, surprise = read_corpus("tess", root)
    assert (fear.emotion, fear.speaker, fear.gender) == ("fear", "tess_OAF", "female")
    assert fear.transcript == "Say the word back."
    assert (neutral.emotion, neutral.speaker) == ("neutral", "tess_OAF")
    assert (surprise.emotion, surprise.speaker, surprise.corpus) == ("surprise", "tess_YAF", "tess")


CHAPTER = "1089-134686-0000 HE HOPED THERE WOULD BE STEW\n1089-134686-0001 STUFF IT INTO YOU\n"


@pytest.mark.parametrize(
    ("subset", "split"), [("test-clean", "test"), ("dev-other", "val"), ("train-clean-100", "train"), ("mine", None)]
)
def test_librispeech(lay, subset, split):
    folder = f"LibriSpeech/{subset}/1089/134686"
    root = lay(
        f"{folder}/1089-134686-0001.flac",
        f"{folder}/1089-134686-0000.flac",
        **{
            f"{folder}/1089-134686.trans.txt": CHAPTER,
            "LibriSpeech/SPEAKERS.TXT": ";ID |SEX| SUBSET\n1089 | M | test-clean | 8.03 | Peter Bobbe\n",
        },
    )
    for start in (root / "LibriSpeech", root / "LibriSpeech" / subset):
        first, second = read_corpus("librispeech", start)
        assert (first.id, first.transcript) == ("1089-134686-0000", "HE HOPED THERE WOULD BE STEW")
        assert second.transcript == "STUFF IT INTO YOU"
        assert (first.speaker, first.gender, first.split) == ("librispeech_1089", "male", split)
        assert (first.emotion, first.language, first.corpus) == (None, "en", "librispeech")


def test_librispeech_without_a_transcript(lay):
    folder = "test-clean/1089/134686"
    root = lay(f"{folder}/1089-134686-0002.flac", **{f"{folder}/1089-134686.trans.txt": CHAPTER})
    message = corpus_refusal("librispeech", root)
    assert "1089-134686-0002.flac has no transcript in" in message
    assert "1089-134686.trans.txt" in message


@pytest.mark.parametrize("name", READERS)
def test_a_folder_of_something_else_says_what_was_expected(lay, name):
    root = lay("holiday/photo.jpg")
    options = {"corpus": "tess"} if name == "emobox" else {}
    message = corpus_refusal(name, root, **options)
    assert str(root) in message
    assert CARDS[name].layout in message
    assert str(root / "nowhere") in corpus_refusal(name, root / "nowhere", **options)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("ravdess", "03-01-09-01-01-01-01.wav"),  # no ninth emotion
        ("ravdess", "03-01-01-01-01-01-25.wav"),  # no 25th actor
        ("crema_d", "1001_ABC_ANG_XX.wav"),
        ("crema_d", "1000_DFA_ANG_XX.wav"),  # actors begin with 1001
        ("crema_d", "1092_DFA_ANG_XX.wav"),
        ("emodb", "03a03Fa.wav"),  # no third sentence
        ("emodb", "07a01Fa.wav"),  # no seventh speaker
        ("tess", "OAF_back_bored.wav"),
        ("librispeech", "chapter-one.flac"),
    ],
)
def test_a_strange_name_is_named(lay, name, file):
    root = lay(f"sub/{file}")
    message = corpus_refusal(name, root)
    assert f"{root / 'sub' / file} is not named as in" in message
    assert "manifest" in message


def test_a_corpus_unpacked_twice(lay):
    message = corpus_refusal("emodb", lay("wav/03a01Fa.wav", "copy/wav/03a01Fa.wav"))
    assert "holds EMO-DB twice" in message
    assert "give the folder with one of them" in message


def test_unknown_corpus(tmp_path):
    message = corpus_refusal("iemocap4000", tmp_path)
    assert "'iemocap4000'" in message
    assert all(name in message for name in READERS)


def test_every_reader_has_a_card():
    assert CARDS.keys() == READERS.keys()
    for name, card in CARDS.items():
        assert all((card.title, card.layout, card.licence, card.citation, card.origin)), name
        assert not card.splits or sum(card.splits.values()) == card.expected, name
        unlabelled = {"iemocap": 2507}.get(name, 0)
        assert not card.emotions or sum(card.emotions.values()) + unlabelled == card.expected, name
        assert {*card.emotions} <= {*LETTERS, *FINER}


def test_counts_of_complete_corpora(lay):
    expected = {name: card.expected for name, card in CARDS.items()}
    assert expected["crema_d"] == 7442
    assert (expected["emodb"], expected["ravdess"], expected["tess"]) == (535, 1440, 2800)
    assert (expected["librispeech"], expected["msp_podcast"]) == (292367, None)
    one = read_corpus("emodb", lay("wav/03a01Fa.wav"))
    assert differences(CARDS["msp_podcast"], one) == []
    told = differences(CARDS["emodb"], one)
    assert "EMO-DB: 1 utterances, the complete corpus has 535; scores will not compare" in told
    assert "EMO-DB: 1 speakers, the complete corpus has 10; scores will not compare" in told
    assert "happy 1 (complete: 71), fear 0 (complete: 69)" in told[2]
    assert len(told) == 3


def test_readers_speak_the_vocabulary():
    assert {*ravdess.EMOTIONS.values(), *emodb.EMOTIONS.values()} <= {*LETTERS, *FINER}


@pytest.mark.parametrize("name", ["ravdess", "emodb"])
def test_real_folders_agree_with_their_manifests(name, shared):
    with (shared / name / "manifest.csv").open(encoding="utf-8") as file:
        rows = {Path(row["path"]).stem: row for row in csv.DictReader(file)}
    utterances = read_corpus(name, shared / name)
    assert [utterance.id for utterance in utterances] == sorted(rows)
    for utterance in utterances:
        row = rows[utterance.id]
        assert utterance.audio == shared / name / row["path"]
        assert utterance.emotion == emotion_name(row["emotion"])
        assert utterance.speaker == row["speaker"]
        assert utterance.transcript == row["transcript"]
        assert (utterance.gender, utterance.language) == (row["gender"], row["language"])
