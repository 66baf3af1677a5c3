"""Compute statistics of the hidden states over the training set, once before the first phase, without augmentation.

If any clip has an emotion label, clips without one are left out. Digits and read sentences would move the mean away
from emotional speech, which is what the system recognises and is adapted to.
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
    """Store the statistics in a system that normalises by them; leave any other system unchanged.

    Args:
        model: the system.
        frames: cache of its encoder's frames; missing frames are computed.
        utterances: the training set; at most `MOST_CLIPS` clips are drawn at random from it.
        seed: seed of the draw.
        console: shows the progress.
    """
    reading = model.hidden_states
    if reading is None or reading.statistics is None:
        return
    utterances = [utterance for utterance in utterances if utterance.emotion] or utterances
    places = np.random.default_rng(seed).permutation(len(utterances))[:MOST_CLIPS]
    drawn = [utterances[place] for place in sorted(places)]
    with Progress(console=console) as bar:
        frames.fill(bar.track(drawn, description="statistics of the hidden states"))
    reading.statistics = Statistics.of(torch.from_numpy(frames.load(utterance)) for utterance in drawn)
