"""Leave-one-corpus-out evaluation of nano: train on two of RAVDESS, EMO-DB and nEMO, test on every clip of the third.

The left-out corpus has another room, microphone and language than the training data, as a user's recordings do. nano's
temperatures are fitted on these answers. Limitation: there is no validation, so the weights after the last update are
used.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emosllm.corpora.manifest import read_manifest
from emosllm.evaluation.answers import Answers, answers_of
from emosllm.evaluation.calibration import apply_temperature, calibrate, fit_temperature
from emosllm.evaluation.metrics import score
from emosllm.evaluation.provenance import digest_of
from emosllm.evaluation.report_builder import build_report
from emosllm.inference.loader import load
from emosllm.inference.recogniser import Recogniser
from emosllm.inference.stored_calibration import StoredCalibration
from emosllm.recipe import Recipe
from emosllm.training.feature_cache import FeatureCache
from emosllm.training.run import Run
from emosllm.training.run_data import RunData
from emosllm.utterance import Prediction, Utterance

CORPORA = ("ravdess", "emodb", "nemo")

#: corpus -> its clips, and the predictions at temperature 1 of the system that was not trained on them.
LeftOut = Mapping[str, tuple[Sequence[Utterance], Sequence[Prediction]]]


def train_without(corpus: str, manifest: Path, recipe: Recipe, folder: Path, cache: Path) -> Path:
    """Train nano on everything but one corpus.

    Args:
        corpus: the corpus that is left out.
        manifest: the data with a column `corpus`.
        recipe: nano's recipe.
        folder: the run's folder; an existing run is continued.
        cache: folder of the encoder's frames.

    Returns:
        The folder of the trained system.
    """
    others = [replace(u, split="train") for u in read_manifest(manifest) if u.corpus != corpus]
    run = Run(recipe, RunData.of(others, recipe), folder, cache)
    return run.train(resume=(folder / "run.json").is_file())


def clips_of(corpus: str, manifest: Path, recipe: Recipe) -> list[Utterance]:
    """Return the clips of a corpus whose class also occurs in another corpus."""
    utterances, classify = read_manifest(manifest), recipe.label_set.classify
    elsewhere = {classify(u.emotion) for u in utterances if u.corpus in CORPORA and u.corpus != corpus} - {None}
    return [u for u in utterances if u.corpus == corpus and classify(u.emotion) in elsewhere]


def ask(systems: Mapping[str, Path], manifest: Path, recipe: Recipe, cache: Path) -> tuple[LeftOut, LeftOut]:
    """Predict each corpus with the system that was not trained on it.

    Args:
        systems: corpus -> folder of the system trained without it.
        manifest: the data.
        recipe: nano's recipe.
        cache: folder of the encoder's frames.

    Returns:
        The answers of the systems as trained, and after adaptation to the corpus's recordings without labels.
    """
    plain, adapted = {}, {}
    for corpus, folder in systems.items():
        clips, recogniser = clips_of(corpus, manifest, recipe), load(folder, temperature=1.0)
        recogniser.remembered = remember(recogniser, clips, cache)
        plain[corpus] = (clips, list(recogniser.predict(clips, 16)))
        recogniser.adapt(clips, 16)
        adapted[corpus] = (clips, list(recogniser.predict(clips, 16)))
    return plain, adapted


def remember(recogniser: Recogniser, utterances: Sequence[Utterance], cache: Path) -> Callable[[Utterance], np.ndarray]:
    """Compute and cache the encoder's frames of utterances; return the function that loads them."""
    assert recogniser.model.encoder is not None
    store = FeatureCache(cache, recogniser.model.encoder, recogniser.processor)
    store.fill(utterances, 16)
    return store.load


def fit(plain: LeftOut, adapted: LeftOut, recipe: Recipe, data: str) -> StoredCalibration:
    """The temperatures that explain the answers to left-out corpora best, as trained and adapted.

    Args:
        plain: answers of the systems as trained.
        adapted: answers of the adapted systems.
        recipe: nano's recipe.
        data: the manifest's name.
    """
    before, adapted_before = _pooled(plain, recipe), _pooled(adapted, recipe)
    found = fit_temperature(before.reference, before.probabilities, before.labels)
    also = fit_temperature(adapted_before.reference, adapted_before.probabilities, adapted_before.labels)
    after = _pooled(_tempered(plain, found.value), recipe)
    errors = [calibrate(each.reference, each.probabilities, each.labels).ece for each in (before, after)]
    return StoredCalibration(
        temperature=found.value,
        data=data,
        digest=digest_of([clip for clips, _ in plain.values() for clip in clips]),
        split="left-out corpora",
        labels=recipe.label_set.names,
        strategy=recipe.inference.strategy,
        transcripts="own",
        n=found.n,
        nll_before=found.nll_before,
        nll_after=found.nll_after,
        ece_before=errors[0],
        ece_after=errors[1],
        adapted=also.value,
    )


def figures(answers: LeftOut, recipe: Recipe, temperature: float) -> dict[str, Any]:
    """Compute UA with its interval, UA among the corpus's own classes, and ECE of each left-out corpus.

    Args:
        answers: answers at temperature 1.
        recipe: nano's recipe.
        temperature: the temperature to apply to the probabilities.
    """
    found: dict[str, Any] = {}
    for corpus, (clips, predictions) in _tempered(answers, temperature).items():
        report = build_report(clips, predictions, recipe.label_set, model="nano", data=corpus, split="left out")
        each = answers_of(clips, predictions, recipe.label_set, "")
        own = tuple(name for name in recipe.label_set.names if name in set(each.reference))
        chosen = [max(own, key=p.probabilities.__getitem__) for p in predictions]
        interval = report.intervals["ua"]
        found[corpus] = {
            "n": len(clips),
            "speakers": report.speakers,
            "ua": report.scores.ua,
            "interval": interval and [interval.low, interval.high],
            "ua_own_classes": score(each.reference, chosen, recipe.label_set.names).ua,
            "ece": calibrate(each.reference, each.probabilities, each.labels).ece,
        }
    return found


def _tempered(answers: LeftOut, temperature: float) -> LeftOut:
    return {
        corpus: (clips, [apply_temperature(prediction, temperature) for prediction in predictions])
        for corpus, (clips, predictions) in answers.items()
    }


def _pooled(answers: LeftOut, recipe: Recipe) -> Answers:
    """Pool the answers to all left-out corpora."""
    clips = [clip for found, _ in answers.values() for clip in found]
    predictions = [prediction for _, found in answers.values() for prediction in found]
    return answers_of(clips, predictions, recipe.label_set, "")
