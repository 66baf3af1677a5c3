"""Small text corpora made in code: four emotions, some speakers, no two texts alike."""

import random

from emosllm.utterance import Utterance

WORDS = {
    "angry": "stop that now you ruin everything again",
    "happy": "what a lovely day we all won again",
    "neutral": "the train leaves at ten from platform two",
    "sad": "she is gone and nothing helps us any more",
}


def texts(count=24, speakers=6, corpus="letters", split=None, start=0):
    """Texts of four emotions by some speakers (none for 0), all different."""
    rng = random.Random(start)
    found = []
    for index in range(start, start + count):
        emotion = list(WORDS)[index % 4]
        words = WORDS[emotion].split()
        rng.shuffle(words)
        found.append(
            Utterance(
                f"{corpus}-{index:04}",
                transcript=f"{' '.join(words)} {index}",
                emotion=emotion,
                speaker=f"{corpus}_{index // 4 % speakers}" if speakers else None,
                corpus=corpus,
                language="en",
                split=split,
            )
        )
    return found
