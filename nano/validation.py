"""Scores of nano's encoder on validation speakers: clean, and as other microphones and rooms would send them.

Unweighted recall (UA) over the classes that a corpus has, the prediction being free among all seven letters.
Gives up: each perturbation has one strength and one draw; it ranks encoders, it does not map their limits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from emosllm import augment as aug
from nano.data import LETTERS, Clip, collate, features_of
from nano.heads import Heads

Perturbation = Callable[[np.ndarray, np.random.Generator, list[np.ndarray]], np.ndarray]

PERTURBATIONS: dict[str, Perturbation] = {
    "clean": lambda x, rng, others: x,
    "white noise 10 dB": lambda x, rng, others: aug.add_noise(x, aug.make_noise(len(x), rng), 10),
    "babble 10 dB": lambda x, rng, others: aug.add_noise(x, aug.make_babble(len(x), rng, others), 10),
    "gain -20 dB": lambda x, rng, others: aug.change_gain(x, -20),
    "room RT60 0.6 s": lambda x, rng, others: aug.add_room(x, rng, 0.6, 0.0),
    "telephone band": lambda x, rng, others: aug.limit_band(x, 300, 3400),
    "1 s of zeros at both ends": lambda x, rng, others: np.pad(x, aug.RATE),
}


def perturbed_features(clips: list[Clip], seed: int = 1) -> dict[str, list[np.ndarray]]:
    """Features `[N, M]` of each clip under each perturbation; the same draws for every encoder."""
    others = [clip.samples for clip in clips]
    out = {}
    for name, change in PERTURBATIONS.items():
        rng = np.random.default_rng(seed)
        out[name] = [features_of(change(clip.samples, rng, others)) for clip in clips]
    return out


@torch.no_grad()
def predict(encoder: nn.Module, heads: Heads, clips: list[Clip], features: list[np.ndarray]) -> np.ndarray:
    """Emotion probabilities `[C, E]` in the order of the clips."""
    encoder.eval()
    heads.eval()
    out = np.zeros((len(clips), len(LETTERS)), np.float32)
    order = np.argsort([len(x) for x in features])
    for start in range(0, len(order), 32):
        group = order[start : start + 32]
        batch = collate([(features[i], np.zeros((1, 3)), clips[i]) for i in group], [])
        frames = encoder(batch.features, attention_mask=batch.mask)
        out[group] = heads(frames.last_hidden_state, frames.attention_mask).softmax(-1).numpy()
    return out


def recall(clips: list[Clip], probabilities: np.ndarray, corpus: str, among_own: bool = False) -> float:
    """UA of one corpus; `among_own` allows only the classes that the corpus has."""
    rows = np.array([i for i, clip in enumerate(clips) if clip.corpus == corpus])
    truth = np.array([clips[i].emotion for i in rows])
    classes, scores = np.unique(truth), probabilities[rows]
    guess = classes[scores[:, classes].argmax(1)] if among_own else scores.argmax(1)
    return round(float(np.mean([(guess[truth == label] == label).mean() for label in classes])), 4)


def score(
    encoder: nn.Module, heads: Heads, clips: list[Clip], features: dict[str, list[np.ndarray]]
) -> dict[str, dict[str, dict[str, float]]]:
    """UA as `{perturbation: {corpus: {"UA", "UA among own classes"}}}`."""
    corpora = sorted({clip.corpus for clip in clips})
    report: dict[str, dict[str, dict[str, float]]] = {}
    for name, views in features.items():
        scores = predict(encoder, heads, clips, views)
        report[name] = {
            corpus: {"UA": recall(clips, scores, corpus), "UA among own classes": recall(clips, scores, corpus, True)}
            for corpus in corpora
        }
    return report
