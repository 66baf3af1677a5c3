"""RAVDESS: 24 North American actors speak two sentences in eight emotions and two strengths.

Only speech is read. Song and video are other archives of the same record, and their files are skipped.
"""

import re
from pathlib import Path

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import missing_corpus_error, named_recordings
from emosllm.utterance import Utterance

CARD = Card(
    title="RAVDESS",
    layout="Actor_01/03-01-06-01-02-01-12.wav and so on, as Audio_Speech_Actors_01-24.zip unpacks",
    origin="https://zenodo.org/record/1188976 (Audio_Speech_Actors_01-24.zip)",
    licence="CC BY-NC-SA 4.0",
    citation="Livingstone and Russo (2018), The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), "
    "PLoS ONE 13(5)",
    expected=1440,
    emotions={"neutral": 96, **dict.fromkeys(("calm", "happy", "sad", "angry", "fear", "disgust", "surprise"), 192)},
    speakers=24,
    notes=("It is quiet (-40 dBFS on average), with about a second of near-silence at both ends.",),
)

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}

# 03-01-06-01-02-01-12: modality (03 audio only), vocal channel (01 speech, 02 song), emotion, intensity, statement,
# repetition, actor (odd numbers are men).
_NAME = re.compile(
    r"(?P<modality>0[123])-(?P<channel>0[12])-(?P<emotion>0[1-8])-0[12]-(?P<statement>0[12])-0[12]-"
    r"(?P<actor>0[1-9]|1\d|2[0-4])"
)


def read(root: Path) -> list[Utterance]:
    """Read the audio files of speech below `root`, at any depth.

    Raises:
        UserError: there is no such file, or a name does not have the corpus's form.
    """
    utterances = [
        Utterance(
            id=path.stem,
            audio=path,
            transcript=STATEMENTS[name["statement"]],
            emotion=EMOTIONS[name["emotion"]],
            speaker=f"ravdess_{name['actor']}",
            gender="male" if int(name["actor"]) % 2 else "female",
            language="en",
            corpus="ravdess",
        )
        for path, name in named_recordings(root, CARD, _NAME, "seven two-digit numbers: 03-01-06-01-02-01-12.wav")
        if name["modality"] == "03" and name["channel"] == "01"
    ]
    if not utterances:
        raise missing_corpus_error(root, CARD, " speech")
    return utterances
