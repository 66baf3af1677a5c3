"""Small text corpora made in code: four emotions, several speakers, no two texts alike; and the content of results."""

import json
import random
from pathlib import Path
from typing import Any

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


def figures_in(out: Path) -> Any:
    """`results.json` without times, and without the mean loss, which in a resumed run covers only the rest."""

    def plain(tree: Any) -> Any:
        if isinstance(tree, dict):
            timed = ("seconds", "hours_trained", "hours_scored", "loss")
            return {key: plain(value) for key, value in tree.items() if key not in timed}
        return [plain(value) for value in tree] if isinstance(tree, list) else tree

    return plain(json.loads((out / "results.json").read_text("utf-8")))
