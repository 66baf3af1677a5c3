"""CREMA-D: 91 actors of many ages and origins speak twelve sentences in six emotions.

The label is the emotion that was asked for, not the crowd's vote. The votes of those who heard and did not see come
from `processedResults/tabulatedVotes.csv`, where it lies beside `AudioWAV`.
"""

import re
from pathlib import Path

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import recordings, strange_name
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
        "The label is the emotion that was asked for, not the crowd's vote.",
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
# Sex by VideoDemographics.csv of the repository, which copies of the audio alone lack. The other 48 actors are men.
# fmt: off
WOMEN = frozenset({
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025, 1028, 1029, 1030,
    1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060, 1061, 1063, 1072, 1073, 1074, 1075,
    1076, 1078, 1079, 1082, 1084, 1089, 1091,
})
# fmt: on

# 1001_DFA_ANG_XX: actor, sentence, emotion, level (LO, MD, HI; XX where none was asked for, once misspelt X).
_NAME = re.compile(
    r"(?P<actor>10[0-8]\d|109[01])_(?P<sentence>[A-Z]{3})_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)"
)


def read(root: Path) -> list[Utterance]:
    """All recordings below `root`, at any depth.

    Raises:
        UserError: there is none, or a name does not parse.
    """
    utterances = []
    votes = _votes(root / "processedResults" / "tabulatedVotes.csv")
    for path in recordings(root, CARD):
        name = _NAME.fullmatch(path.stem)
        if name is None or name["sentence"] not in SENTENCES or name["actor"] == "1000":
            raise strange_name(path, CARD, "actor_sentence_emotion_level: 1001_DFA_ANG_XX.wav")
        utterances.append(
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
        )
    return utterances


def _votes(table: Path) -> dict[str, dict[str, int]]:
    """Raters by emotion; rows are numbered from 100001 for the voice, 200001 for the face, 300001 for both.

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
