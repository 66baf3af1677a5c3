"""CREMA-D: 91 actors of many ages and origins speak twelve sentences in six emotions.

The label is the emotion that the actor was asked for, not the raters' vote. The votes of the raters who heard the audio
without the video come from `processedResults/tabulatedVotes.csv`, if that table is beside `AudioWAV`.
"""

import re
from pathlib import Path

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import named_recordings
from emosllm.corpora.tables import read_table
from emosllm.errors import UserError
from emosllm.labels import emotion_name
from emosllm.utterance import Utterance

CARD = Card(
    title="CREMA-D",
    layout="AudioWAV/1001_DFA_ANG_XX.wav and so on",
    origin="https://github.com/CheyneyComputerScience/CREMA-D",
    licence="Open Database License 1.0, contents DbCL 1.0",
    citation="Cao, Cooper, Keutmann, Gur, Nenkova and Verma (2014), CREMA-D: Crowd-sourced Emotional Multimodal Actors "
    "Dataset, IEEE Transactions on Affective Computing 5(4)",
    expected=7442,
    emotions={"angry": 1271, "disgust": 1271, "fear": 1271, "happy": 1271, "neutral": 1087, "sad": 1271},
    speakers=91,
    notes=(
        "The label is the emotion that the actor was asked for, not the raters' vote.",
        "1076_MTI_SAD_XX.wav is published without sound.",
    ),
)

SENTENCES = {
    "DFA": "Don't forget a jacket.",
    "IEO": "It's eleven o'clock.",
    "IOM": "I'm on my way to the meeting.",
    "ITH": "I think I have a doctor's appointment.",
    "ITS": "I think I've seen this before.",
    "IWL": "I would like a new alarm clock.",
    "IWW": "I wonder what this is about.",
    "MTI": "Maybe tomorrow it will be cold.",
    "TAI": "The airplane is almost full.",
    "TIE": "That is exactly what happened.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
# Source: VideoDemographics.csv of the repository, which is missing in copies of the audio. The other 48 actors are men.
# fmt: off
WOMEN = frozenset({
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025, 1028, 1029, 1030,
    1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060, 1061, 1063, 1072, 1073, 1074, 1075,
    1076, 1078, 1079, 1082, 1084, 1089, 1091,
})
# fmt: on

# 1001_DFA_ANG_XX: actor (1001 to 1091), sentence, emotion, level (LO, MD, HI; XX if no level was asked for; X in one
# misspelt name).
_NAME = re.compile(
    rf"(?P<actor>100[1-9]|10[1-8]\d|109[01])_(?P<sentence>{'|'.join(SENTENCES)})_"
    r"(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)"
)


def read(root: Path) -> list[Utterance]:
    """Read all recordings below `root`, at any depth.

    Raises:
        UserError: there is no recording, a name does not have the corpus's form, or a vote is not a number.
    """
    votes = _votes(root / "processedResults" / "tabulatedVotes.csv")
    return [
        Utterance(
            id=path.stem,
            audio=path,
            transcript=SENTENCES[name["sentence"]],
            emotion=emotion_name(name["emotion"]),
            speaker=f"crema_d_{name['actor']}",
            gender="female" if int(name["actor"]) in WOMEN else "male",
            language="en",
            corpus="crema_d",
            votes=votes.get(path.stem),
        )
        for path, name in named_recordings(root, CARD, _NAME, "actor_sentence_emotion_level: 1001_DFA_ANG_XX.wav")
    ]


def _votes(table: Path) -> dict[str, dict[str, int]]:
    """Count the raters of each emotion. Rows from 100001 are of audio, from 200001 of video, from 300001 of both.

    "100001",0,0,0,1,10,0,"1001_IEO_NEU_XX",11,0.909090909090909,"N"
    """
    found: dict[str, dict[str, int]] = {}
    for number, row in read_table(table, ("", *"ADFHNS", "fileName")) if table.is_file() else ():
        if row[""].startswith("1"):
            for letter in "ADFHNS":
                if not row[letter].isdecimal():
                    raise UserError(f"{table}, row {number}: {letter} {row[letter]!r} is not a number of raters")
            counts = {emotion_name(letter) or "": int(row[letter]) for letter in "ADFHNS"}
            found[row["fileName"]] = {name: count for name, count in counts.items() if count}
    return found
