"""TESS: two actresses, one older and one younger, say 200 words in a carrier phrase in seven emotions.

Everything is read from the file's name, as the spelling of the folders varies.
"""

import re
from pathlib import Path

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import named_recordings
from emosllm.labels import emotion_name
from emosllm.utterance import Utterance

CARD = Card(
    title="TESS",
    layout="OAF_angry/OAF_back_angry.wav and so on",
    origin="https://doi.org/10.5683/SP2/E8H2MF",
    licence="CC BY-NC-ND 4.0",
    citation="Pichora-Fuller and Dupuis (2020), Toronto emotional speech set (TESS), Borealis",
    expected=2800,
    emotions=dict.fromkeys(("angry", "disgust", "fear", "happy", "neutral", "surprise", "sad"), 400),
    speakers=2,
    notes=("Two speakers: a split by speaker has one woman on each side.",),
)

# OAF_back_angry: actress (OAF older, YAF younger; OA in one misspelt name), word, emotion (ps is pleasant surprise).
# The folder is not read, as its spelling varies: OAF_Fear, YAF_pleasant_surprised.
_NAME = re.compile(
    r"(?P<actress>OAF?|YAF)_(?P<word>[a-z'-]+)_(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)", re.IGNORECASE
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
            transcript=f"Say the word {name['word']}.",
            emotion=emotion_name(name["emotion"]),
            speaker="tess_YAF" if name["actress"].upper() == "YAF" else "tess_OAF",
            gender="female",
            language="en",
            corpus="tess",
        )
        for path, name in named_recordings(root, CARD, _NAME, "actress_word_emotion: OAF_back_angry.wav")
    ]
