"""Statistics of the hidden states over a training set, measured once before the first phase, on clean recordings.

Where clips have an emotion, those without one are left out: digits and read sentences would move the mean away from
the recordings that emotions are asked of, those that a system is adapted to among them.
"""

from collections.abc import Sequence

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from emosllm.models.build import System
from emosllm.models.encoders.hidden_states import Statistics
from emosllm.training.feature_cache import FeatureCache
from emosllm.utterance import Utterance

MOST_CLIPS = 2_000


def store_statistics(
    model: System, frames: FeatureCache, utterances: Sequence[Utterance], seed: int, console: Console
) -> None:
    """Put the statistics into a system that normalises by them; any other is left as it is.

    Args:
        model: the system.
        frames: of its encoder; what is missing is computed.
        utterances: the training set, of which at most `MOST_CLIPS` with an emotion are drawn.
        seed: of the draw.
        console: where to tell how far it is.
    """
    reading = model.hidden_states
    if reading is None or reading.statistics is None:
        return
    utterances = [utterance for utterance in utterances if utterance.emotion] or utterances
    places = np.random.default_rng(seed).permutation(len(utterances))[:MOST_CLIPS]
    heard = [utterances[place] for place in sorted(places)]
    with Progress(console=console) as bar:
        frames.fill(bar.track(heard, description="statistics of the hidden states"))
    reading.statistics = Statistics.of(torch.from_numpy(frames.load(utterance)) for utterance in heard)
