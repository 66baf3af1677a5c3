"""MSP-Podcast in miniature: the spellings of its releases, its sets, its votes, and broken tables."""

import pytest
from refusals import corpus_refusal

from emosllm.corpora import read_corpus
from emosllm.corpora.readers import msp_podcast
from emosllm.errors import UserError

HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
ROWS = """\
MSP-PODCAST_0002_0001.wav,X,4.0,4.0,4.0,Unknown,Unknown,Train
MSP-PODCAST_0001_0008.wav,A,5.2,2.0,5.0,127,Male,Train
MSP-PODCAST_0003_0001.wav,U,4.0,4.0,4.0,8,Female,Development
MSP-PODCAST_0004_0001.wav,C,4.0,4.0,4.0,9,Female,Test1
MSP-PODCAST_0005_0001.wav,N,4.0,4.0,4.0,Unknown,Unknown,Test2
"""


def test_msp_podcast(lay):
    root = lay(
        **{"Labels/labels_consensus.csv": HEADER + ROWS, "Transcripts/MSP-PODCAST_0001_0008.txt": "No, never.\n"}
    )
    angry, unagreed, surprise, contempt = read_corpus("msp_podcast", root)
    assert angry.audio == root / "Audios/MSP-PODCAST_0001_0008.wav"
    assert (angry.emotion, angry.speaker, angry.gender) == ("angry", "msp_podcast_127", "male")
    assert (angry.transcript, angry.split) == ("No, never.", "train")
    assert (unagreed.emotion, unagreed.speaker, unagreed.gender) == (None, None, None)
    assert unagreed.transcript is None
    assert (surprise.emotion, surprise.split) == ("surprise", "val")
    assert (contempt.emotion, contempt.split) == ("contempt", "test")


def test_msp_podcast_1_8_spelt_otherwise(lay):
    root = lay(**{"Labels/labels_concensus.csv": HEADER + ROWS.replace("Development", "Validation")})
    assert [utterance.split for utterance in read_corpus("msp_podcast", root)] == ["train", "train", "val", "test"]


def test_msp_podcast_extra_tests_come_when_called(lay):
    partitions = "Train; MSP-PODCAST_9999_0001.wav\nTest3; MSP-PODCAST_test3_0001.wav\n"
    root = lay(**{"Labels/labels_consensus.csv": HEADER + ROWS, "Partitions.txt": partitions})
    assert len(read_corpus("msp_podcast", root)) == 4
    second, third = msp_podcast.read(root, sets=msp_podcast.EXTRA_SETS)
    assert (second.id, second.emotion, second.split) == ("MSP-PODCAST_0005_0001", "neutral", None)
    assert (third.id, third.emotion, third.split) == ("MSP-PODCAST_test3_0001", None, None)
    with pytest.raises(UserError, match=r"no set 'Test4': known are .*Test1, Test2, Test3"):
        msp_podcast.read(root, sets=["Test4"])


DETAILED = """\
FileName,EmoDetail
MSP-PODCAST_0001_0008.wav,"WORKER00000014; Angry; Frustrated,Angry; A:5; V:2; D:5;"
MSP-PODCAST_0001_0008.wav,WORKER00000021; Angry; Angry; A:6; V:2; D:5;
MSP-PODCAST_0001_0008.wav,WORKER00000032; Other-Curious; ; A:4; V:4; D:4;
MSP-PODCAST_0003_0001.wav,WORKER00000014; Surprise; Surprise; A:5; V:2; D:5;
"""


MAJOR = """\
FileName,Workers,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom
MSP-PODCAST_0001_0008.wav,WORKER14,Angry,"Frustrated,Angry",5,2,5
MSP-PODCAST_0001_0008.wav,WORKER21,Angry,Angry,6,2,5
MSP-PODCAST_0001_0008.wav,WORKER32,Other,,4,4,4
MSP-PODCAST_0003_0001.wav,WORKER14,Surprise,Surprise,5,2,5
"""


@pytest.mark.parametrize(
    ("labels", "details", "table"),
    [
        ("Labels/labels_consensus.csv", "Labels/labels_detailed.csv", DETAILED),
        ("labels/labels_concensus.csv", "labels/labels_detailed.csv", DETAILED),
        ("label/labels_concensus.csv", "label/labels_detailed.csv", MAJOR),
        ("labels_consensus.csv", "labels_detailed.csv", MAJOR),
    ],
)
def test_msp_podcast_ratings_in_the_spellings_of_all_releases(lay, labels, details, table):
    root = lay(**{labels: HEADER + ROWS, details: table, "Audio/MSP-PODCAST_0001_0008.wav": ""})
    angry, unagreed, surprise, _ = read_corpus("msp_podcast", root)
    assert angry.votes == {"angry": 2, "other": 1}
    assert (angry.arousal, angry.valence, angry.dominance) == (5.2, 2.0, 5.0)
    assert angry.audio == root / "Audio/MSP-PODCAST_0001_0008.wav"
    assert unagreed.votes is None
    assert surprise.votes == {"surprise": 1}


def test_msp_podcast_raters_who_named_no_emotion_do_not_vote(lay):
    table = DETAILED + "MSP-PODCAST_0003_0001.wav,WORKER00000015; ; ; A:4; V:4; D:4;\n"
    root = lay(**{"Labels/labels_consensus.csv": HEADER + ROWS, "Labels/labels_detailed.csv": table})
    assert read_corpus("msp_podcast", root)[2].votes == {"surprise": 1}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (DETAILED.replace("EmoDetail", "Detail"), ["labels_detailed.csv has no column 'EmoDetail'"]),
        (DETAILED + "MSP-PODCAST_0003_0001.wav\n", ["labels_detailed.csv, row 6: 1 cells for 2 columns"]),
        (DETAILED + 'MSP-PODCAST_0003_0001.wav,"WORKER', ["labels_detailed.csv, line 6", "close the quotes"]),
    ],
)
def test_msp_podcast_broken_ratings(lay, table, words):
    message = corpus_refusal(
        "msp_podcast", lay(**{"labels_consensus.csv": HEADER + ROWS, "labels_detailed.csv": table})
    )
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (HEADER + ROWS.replace("5.2", "high"), ["row 3", "EmoAct 'high' is not a number"]),
        (HEADER + ROWS + ROWS, ["row 7", "'MSP-PODCAST_0002_0001.wav' is already in row 2"]),
        (HEADER.replace("SpkrID,", "") + ROWS, ["no column 'SpkrID'", "FileName, EmoClass"]),
        (HEADER + ROWS.replace(",A,", ",Q,"), ["row 3", "unknown emotion 'Q'"]),
        (HEADER + ROWS.replace("Test1", "Test9"), ["row 5", "unknown Split_Set 'Test9'", "Development"]),
        (HEADER, ["holds nothing of MSP-Podcast", "Labels/labels_consensus.csv"]),
        ("", ["no column 'FileName'", "found none"]),
    ],
)
def test_msp_podcast_broken_labels(lay, table, words):
    message = corpus_refusal("msp_podcast", lay(**{"Labels/labels_consensus.csv": table}))
    for word in words:
        assert word in message
