"""EMO-DB: ten German actors speak ten everyday sentences in seven emotions.

The transcript and the speaker's gender are taken from the file's name.
"""

import re
from pathlib import Path

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import named_recordings
from emosllm.utterance import Utterance

CARD = Card(
    title="EMO-DB",
    layout="wav/03a01Fa.wav and so on",
    origin="http://emodb.bilderbar.info, also https://github.com/audeering/emodb",
    licence="CC0 1.0",
    citation="Burkhardt, Paeschke, Rolfes, Sendlmeier and Weiss (2005), A database of German emotional speech, "
    "Interspeech",
    expected=535,
    emotions={"angry": 127, "bored": 81, "neutral": 79, "happy": 71, "fear": 69, "sad": 62, "disgust": 46},
    speakers=10,
)

# The first letters of the German words: Wut, Trauer, Freude, Angst, Ekel, Langeweile.
EMOTIONS = {
    "W": "angry",
    "T": "sad",
    "F": "happy",
    "A": "fear",
    "E": "disgust",
    "N": "neutral",
    "L": "bored",
}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen.",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
MEN = ("03", "10", "11", "12", "15")
WOMEN = ("08", "09", "13", "14", "16")

# 03a01Fa: speaker, sentence, emotion, version.
_NAME = re.compile(
    rf"(?P<speaker>{'|'.join(MEN + WOMEN)})(?P<sentence>{'|'.join(SENTENCES)})(?P<emotion>[WTFAENL])[a-z]"
)


def read(root: Path) -> list[Utterance]:
    """Read all recordings below `root`, at any depth.

    Raises:
        UserError: there is no recording, or a name does not have the corpus's form.
    """
    return [
        Utterance(
            id=path.stem,
            audio=path,
            transcript=SENTENCES[name["sentence"]],
            emotion=EMOTIONS[name["emotion"]],
            speaker=f"emodb_{name['speaker']}",
            gender="male" if name["speaker"] in MEN else "female",
            language="de",
            corpus="emodb",
        )
        for path, name in named_recordings(root, CARD, _NAME, "speaker, sentence, emotion, version: 03a01Fa.wav")
    ]
