"""Probe that nano is compared with: logistic regression on its encoder's frames, without mapper and LLM.

The features are mean and standard deviation over time of the hidden states that nano reads (layers 2 to 5). The probe
is a simple reference and uses no augmentation.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emosllm.corpora.manifest import read_manifest
from emosllm.inference.recogniser import Recogniser
from emosllm.utterance import Utterance
from nano.baseline import recalls
from nano.left_out import CORPORA, clips_of, remember

COST = 0.003  # C of the logistic regression, as for the probe in docs/log.md


def probe(recogniser: Recogniser, manifest: Path, cache: Path) -> dict[str, Any]:
    """Score the probe on test and on each left-out corpus, without and with standardisation by the corpus's statistics.

    Args:
        recogniser: nano, whose encoder computes the frames.
        manifest: the data.
        cache: folder of the encoder's frames.
    """
    recipe = recogniser.model.recipe
    utterances = [u for u in read_manifest(manifest) if u.corpus in CORPORA and recipe.label_set.classify(u.emotion)]
    features = dict(zip((u.id for u in utterances), _features(recogniser, utterances, cache), strict=True))

    def table(chosen: Sequence[Utterance]) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([features[u.id] for u in chosen]), np.array(
            [recipe.label_set.classify(u.emotion) for u in chosen]
        )

    model = _fitted(*table([u for u in utterances if u.split != "test"]))
    found: dict[str, Any] = {"test": {}, "left_out": {}, "left_out_adapted": {}}
    for corpus in CORPORA:
        rows, truth = table([u for u in utterances if u.split == "test" and u.corpus == corpus])
        found["test"][corpus] = recalls(truth, model.predict(rows))
        other = _fitted(*table([u for u in utterances if u.corpus != corpus]))
        rows, truth = table(clips_of(corpus, manifest, recipe))
        found["left_out"][corpus] = recalls(truth, other.predict(rows))
        own = StandardScaler().fit_transform(rows)
        found["left_out_adapted"][corpus] = recalls(truth, other["logisticregression"].predict(own))
    return found


def _features(recogniser: Recogniser, utterances: Sequence[Utterance], cache: Path) -> list[np.ndarray]:
    load = remember(recogniser, utterances, cache)
    rows = []
    for utterance in utterances:
        states = load(utterance)
        rows.append(np.concatenate([states.mean(0), states.std(0)], axis=-1).ravel())
    return rows


def _fitted(rows: np.ndarray, truth: np.ndarray) -> Any:
    classifier = LogisticRegression(C=COST, class_weight="balanced", max_iter=200)
    return make_pipeline(StandardScaler(), classifier).fit(rows, truth)
