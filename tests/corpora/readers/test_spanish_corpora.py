"""MEACorpus and EmoSPeech 2024: their tables in miniature, the real ones, and that nobody mixes them."""

from dataclasses import replace

import pytest
from refusals import corpus_refusal, refusal

from emosllm.corpora import CARDS, read_corpus
from emosllm.corpora.card import differences
from emosllm.corpora.manifest import read_manifest, write_manifest
from emosllm.corpora.overlap import check_overlap
from emosllm.errors import UserError
from emosllm.utterance import Utterance

MEA = "filename,label,transcription,split\n"
MEA_ROWS = (
    '55ea70ba-9ce28715.mp3,anger,"¿Me puede decir usted, señor, dónde está?",train\n'
    "3ee10d97-5da0f82c.mp3,joy,Sí.,test\n"
)
TRAIN = "id,label,transcription\n51057a09-6011210b.mp3,joy,Acertamos cuando estamos unidos.\n"
TEST = "id,transcription\n1c8f4831-9d1e0175.mp3,pero mandando a todos\n"


def test_meacorpus(lay):
    root = lay("segments/3ee10d97-5da0f82c.mp3", **{"spanish-meacorpus-2023-dataset.csv": MEA + MEA_ROWS})
    angry, happy = read_corpus("meacorpus", root)
    assert angry == Utterance(
        id="55ea70ba-9ce28715",
        transcript="¿Me puede decir usted, señor, dónde está?",
        emotion="angry",
        language="es",
        corpus="meacorpus",
        split="train",
    )
    assert (happy.audio, happy.emotion, happy.split) == (root / "segments/3ee10d97-5da0f82c.mp3", "happy", "test")
    assert read_corpus("meacorpus", root / "spanish-meacorpus-2023-dataset.csv") == [angry, happy]


def test_emospeech(lay):
    root = lay("51057a09-6011210b.mp3", **{"EmoSPeech_test_public.csv": TEST, "EmoSPeech_train.csv": TRAIN})
    train, test = read_corpus("emospeech", root)
    assert (train.id, train.emotion, train.split) == ("51057a09-6011210b", "happy", "train")
    assert train.audio == root / "51057a09-6011210b.mp3"
    assert (test.audio, test.emotion, test.split) == (None, None, "test")
    assert (test.transcript, test.language, test.speaker) == ("pero mandando a todos", "es", None)


def test_emospeech_test_with_labels_is_still_test(lay):
    (one,) = read_corpus("emospeech", lay(**{"test_gold.csv": TRAIN}))
    assert (one.split, one.emotion) == ("test", "happy")


@pytest.mark.parametrize(
    ("name", "split"), [("EmoSPeech_phase_2_test_gold", "test"), ("Test", "test"), ("latest", "train"), ("x", "train")]
)
def test_emospeech_split_by_the_word_in_the_tables_name(lay, name, split):
    (one,) = read_corpus("emospeech", lay(**{f"{name}.csv": TRAIN}))
    assert one.split == split


@pytest.mark.parametrize(
    ("corpus", "table", "words"),
    [
        ("meacorpus", TRAIN, ["holds nothing of Spanish MEACorpus 2023", "filename,label,transcription,split"]),
        ("emospeech", MEA + MEA_ROWS, ["holds nothing of EmoSPeech 2024", "id,label,transcription"]),
        ("meacorpus", MEA + MEA_ROWS.replace("anger", "ira"), ["table.csv, row 2", "unknown emotion 'ira'"]),
        ("meacorpus", MEA + MEA_ROWS.replace(",test", ",exam"), ["table.csv, row 3", "unknown split 'exam'", "train"]),
        ("meacorpus", MEA + MEA_ROWS + MEA_ROWS, ["table.csv, row 4", "'55ea70ba-9ce28715.mp3' is already in row 2"]),
        ("meacorpus", MEA, ["holds nothing of Spanish MEACorpus 2023"]),
        ("meacorpus", MEA + "a.mp3,joy,Sí, claro,train\n", ["row 2", "5 cells for 4 columns", "quotes"]),
        ("emospeech", TRAIN.replace("joy", "rage"), ["table.csv, row 2", "unknown emotion 'rage'"]),
    ],
)
def test_broken_tables(lay, corpus, table, words):
    message = corpus_refusal(corpus, lay(**{"table.csv": table}))
    for word in words:
        assert word in message


def test_a_table_that_is_not_utf8(tmp_path):
    (tmp_path / "table.csv").write_bytes((MEA + MEA_ROWS).encode("latin-1"))
    message = corpus_refusal("meacorpus", tmp_path)
    assert f"{tmp_path / 'table.csv'} is not UTF-8" in message
    assert "save it again" in message


def test_a_clip_in_two_tables(lay):
    message = corpus_refusal("emospeech", lay(**{"a.csv": TRAIN, "b.csv": TRAIN}))
    assert "b.csv, row 2: '51057a09-6011210b.mp3' is already in" in message
    assert "a.csv, row 2: remove one" in message


def test_the_two_are_never_mixed(lay, tmp_path):
    mea = read_corpus("meacorpus", lay(**{"mea/table.csv": MEA + MEA_ROWS}) / "mea")
    task = read_corpus("emospeech", lay(**{"task/train.csv": TRAIN}) / "task")
    check_overlap(mea)
    check_overlap(task)
    with pytest.raises(UserError, match=r"emospeech and meacorpus must not be used together: .* leave one"):
        check_overlap(mea + task)
    with pytest.raises(UserError, match="must not be used together"):
        check_overlap(mea, task)
    write_manifest(tmp_path / "both.csv", mea + task)
    with pytest.raises(UserError, match="must not be used together"):
        check_overlap(read_manifest(tmp_path / "both.csv"))
    renamed = [replace(utterance, corpus="mine") for utterance in mea]
    with pytest.raises(UserError, match=r"meacorpus and mine both hold 55ea70ba-9ce28715: .* leave one"):
        check_overlap(mea, renamed)


def test_short_names_that_two_corpora_share_are_no_overlap():
    assert check_overlap([Utterance(id="001", corpus="one"), Utterance(id="001", corpus="two")]) is None
    long = [Utterance(id="recording-001", corpus="one"), Utterance(id="recording-001", corpus="two")]
    assert "one and two both hold recording-001" in refusal(check_overlap, long)


def test_the_real_meacorpus_train_table(shared):
    utterances = read_corpus("meacorpus", shared / "text/meacorpus")
    assert len(utterances) == 4102
    assert {utterance.emotion for utterance in utterances} == {"angry", "disgust", "fear", "happy", "neutral", "sad"}
    assert not [u for u in utterances if not u.transcript or u.audio or u.split != "train"]
    told = differences(CARDS["meacorpus"], utterances)
    assert "Spanish MEACorpus 2023: 4102 utterances, the complete corpus has 5129; scores will not compare" in told
    assert "Spanish MEACorpus 2023: splits: test 0 (complete: 1027); scores will not compare" in told


def test_the_real_emospeech_tables(shared):
    utterances = read_corpus("emospeech", shared / "text/emospeech2024")
    assert [u.split for u in utterances] == ["train"] * 300 + ["test"] * 100
    assert all((u.emotion is None) == (u.split == "test") for u in utterances)
    with pytest.raises(UserError, match="must not be used together"):
        check_overlap(utterances, read_corpus("meacorpus", shared / "text/meacorpus"))
