"""Baseline for nano: statistics of MFCCs and a support vector machine.

Like nano, it is one model for all corpora and the union of their classes. C and gamma are selected on validation
speakers by mean UA over corpora. As a baseline it uses neither augmentation nor deep features.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from emosllm.audio import SAMPLE_RATE
from nano.data import Clip, read_clips

CEPSTRA = 20
COSTS = (1.0, 3.0, 10.0, 30.0)  # C of the support vector machine
WIDTHS = (0.3, 1.0, 3.0)  # gamma, in units of 1 / number of features


def statistics(samples: np.ndarray) -> np.ndarray:
    """Compute mean, deviation, 10th and 90th percentile over time of MFCCs and their first differences.

    Args:
        samples: float32 `[T]` at 16 kHz; the peak is scaled to full scale first, so that gain does not matter.

    Returns:
        `[8 * CEPSTRA]`.
    """
    loud = samples / max(float(np.abs(samples).max(initial=0.0)), 1e-6)
    cepstra = librosa.feature.mfcc(y=loud, sr=SAMPLE_RATE, n_mfcc=CEPSTRA, n_fft=512, win_length=400, hop_length=160)
    rows = np.concatenate([cepstra, np.diff(cepstra, axis=1, prepend=cepstra[:, :1])])
    low, high = np.percentile(rows, [10, 90], axis=1)
    return np.concatenate([rows.mean(1), rows.std(1), low, high]).astype(np.float32)


def recalls(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Compute UA (mean recall over the classes that occur), WA (share of correct answers) and the number of clips."""
    right = predicted == truth
    ua = float(np.mean([right[truth == label].mean() for label in np.unique(truth)]))
    return {"UA": round(ua, 4), "WA": round(float(right.mean()), 4), "clips": len(truth)}


def fit_and_score(manifest: Path | str, splits: Sequence[str] = ("val", "test")) -> dict[str, Any]:
    """Train on `train`, select C and gamma on `val`, and score each corpus of `splits`.

    Args:
        manifest: CSV with the columns that `nano.data.read_clips` reads.
        splits: the splits to report; include `test` only in the final report.

    Returns:
        `{"settings": {...}, "val": {corpus: {"UA", "WA", "clips"}}, "test": ...}`.
    """
    train, val = (_table(_labelled(Path(manifest), split)) for split in ("train", "val"))
    options = [_pipeline(cost, width).fit(train[0], train[1]) for cost, width in product(COSTS, WIDTHS)]
    best = max(options, key=lambda model: np.mean([row["UA"] for row in _score(model, *val).values()]))
    report: dict[str, Any] = {"settings": {k: best["svc"].get_params()[k] for k in ("C", "gamma", "class_weight")}}
    for split in splits:
        report[split] = _score(best, *(val if split == "val" else _table(_labelled(Path(manifest), split))))
    return report


def _labelled(manifest: Path, split: str) -> list[Clip]:
    """Read the clips of one split that have an emotion label."""
    return [clip for clip in read_clips(manifest, split) if clip.emotion >= 0]


def _table(clips: list[Clip]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return statistics `[C, F]`, emotions `[C]` and corpora `[C]`."""
    features = np.stack([statistics(clip.samples) for clip in clips])
    return features, np.array([clip.emotion for clip in clips]), np.array([clip.corpus for clip in clips])


def _pipeline(cost: float, width: float) -> Pipeline:
    """Build the scaler and the SVM with RBF kernel and balanced class weights."""
    gamma = width / (8 * CEPSTRA)
    return make_pipeline(StandardScaler(), SVC(C=cost, gamma=gamma, class_weight="balanced"))


def _score(
    model: Pipeline, features: np.ndarray, truth: np.ndarray, corpora: np.ndarray
) -> dict[str, dict[str, float]]:
    """Compute UA and WA of each corpus."""
    predicted = model.predict(features)
    return {name: recalls(truth[corpora == name], predicted[corpora == name]) for name in np.unique(corpora).tolist()}
