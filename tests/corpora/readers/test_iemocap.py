"""IEMOCAP in miniature: whose turn it is, what the raters said, and what is said of a broken evaluation."""

import pytest
from refusals import corpus_refusal

from emosllm.corpora import CARDS, read_corpus
from emosllm.corpora.card import differences
from emosllm.labels import label_set
from emosllm.utterance import Utterance

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
TURNS = """\
[6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 3.0000]
C-E2:	Neutral;	()
C-E3:	Neutral; Sadness;	()
C-E4:	Neutral state;	()
C-F1:	Anger;	(herself)
A-E3:	val 3; act 2; dom  2;	()

[10.0100 - 11.3925]	Ses01F_impro01_M000	exc	[4.0000, 3.5000, 3.0000]
C-E2:	Excited;	()
C-E3:	Other;	(curious)

[14.8872 - 18.0175]	Ses01F_impro01_M001	xxx	[2.5000, 2.0000, 2.0000]
"""
WORDS = """\
Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
M: [LAUGHTER]
Ses01F_impro01_M000 [010.0100-011.3925]: Do you have your forms?
"""


@pytest.fixture
def corpus(lay):
    def lay_out(turns=TURNS, dialogue="Ses01F_impro01", session=1):
        folder = f"Session{session}/dialog"
        return lay(
            f"{folder}/EmoEvaluation/._{dialogue}.txt",
            f"{folder}/EmoEvaluation/Categorical/{dialogue}_e2_cat.txt",
            **{
                f"{folder}/EmoEvaluation/{dialogue}.txt": HEADER + turns,
                f"{folder}/transcriptions/{dialogue}.txt": WORDS,
            },
        )

    return lay_out


def test_turns(corpus):
    root = corpus()
    first, second, third = read_corpus("iemocap", root)
    assert first == Utterance(
        id="Ses01F_impro01_F000",
        audio=root / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
        transcript="Excuse me.",
        emotion="neutral",
        speaker="iemocap_1F",
        gender="female",
        language="en",
        corpus="iemocap",
        session="iemocap_1",
        valence=2.5,
        arousal=2.5,
        dominance=3.0,
        votes={"neutral": 3, "sad": 1},
    )
    assert (second.emotion, second.votes) == ("excited", {"excited": 1, "other": 1})
    assert (third.emotion, third.votes, third.transcript) == (None, None, None)


def test_the_speaker_is_read_from_the_turn_and_not_from_the_session(corpus):
    """Both speak in `Ses01F_impro01`; who reads its letter gives all turns to the woman."""
    first, second, third = read_corpus("iemocap", corpus())
    assert [first.speaker, second.speaker, third.speaker] == ["iemocap_1F", "iemocap_1M", "iemocap_1M"]
    assert [first.gender, second.gender] == ["female", "male"]


def test_the_same_letter_in_two_sessions_is_two_speakers(corpus):
    corpus()
    root = corpus(TURNS.replace("Ses01F", "Ses02M").replace("impro01", "script01_1b"), "Ses02M_script01_1b", 2)
    utterances = read_corpus("iemocap", root)
    assert sorted({utterance.speaker for utterance in utterances}) == [
        "iemocap_1F",
        "iemocap_1M",
        "iemocap_2F",
        "iemocap_2M",
    ]
    assert {utterance.session for utterance in utterances} == {"iemocap_1", "iemocap_2"}


def test_excited_counts_as_happy_only_in_the_label_set(corpus):
    _, second, _ = read_corpus("iemocap", corpus())
    assert second.emotion == "excited"
    assert label_set("iemocap4").classify(second.emotion) == "happy"


def of(emotion: str | None, count: int, session: int = 1) -> list[Utterance]:
    return [Utterance(id="x", emotion=emotion, session=f"iemocap_{session}")] * count


def test_the_counts_of_the_papers():
    card = CARDS["iemocap"]
    assert sum(card.classes["iemocap4"].values()) == sum(card.sessions["iemocap4"].values()) == 5531
    assert sum(card.emotions.values()) + 2507 == card.expected == 10039
    told = differences(card, of("excited", 1041) + of("happy", 595) + of("angry", 1102))
    (classes,) = (line for line in told if "classes of iemocap4" in line)
    assert "angry 1102 (complete: 1103)" in classes
    assert "happy" not in classes
    (sessions,) = (line for line in told if "sessions with iemocap4" in line)
    assert "iemocap_1 2738 (complete: 1085)" in sessions


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        (TURNS.replace("\tneu\t", "\tnew\t"), ["row 3", "unknown emotion 'new'"]),
        (TURNS.replace("Neutral state", "Boredomness"), ["row 6", "unknown emotion 'Boredomness'"]),
        (TURNS.replace(", 3.0000]", "]"), ["row 3", "is not a turn"]),
        (
            TURNS.replace("Ses01F_impro01_F000", "Ses09F_impro01_F000"),
            ["row 3", "'Ses09F_impro01_F000' is not a turn of"],
        ),
        (TURNS + TURNS, ["row 15", "'Ses01F_impro01_F000' is already in row 3"]),
        ("", ["holds nothing of IEMOCAP", "dialog/EmoEvaluation"]),
    ],
)
def test_broken_evaluations(corpus, turns, words):
    message = corpus_refusal("iemocap", corpus(turns))
    for word in words:
        assert word in message
