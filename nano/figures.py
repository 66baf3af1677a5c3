"""Compute nano's figures: UA, WA and ECE on val and test per corpus, UA on degraded recordings, and the baselines.

Limitation: there is no significance test against the baselines; the intervals are those of nano's scores.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from emosllm.audio import load_audio
from emosllm.corpora.manifest import read_manifest
from emosllm.evaluation.answers import answers_of
from emosllm.evaluation.calibration import calibrate
from emosllm.evaluation.report_builder import build_report, versions_here
from emosllm.evaluation.robustness.conditions import condition
from emosllm.inference.loader import load
from emosllm.inference.recogniser import Recogniser
from emosllm.models.description import describe
from emosllm.utterance import Prediction, Utterance
from nano.baseline import fit_and_score
from nano.left_out import CORPORA
from nano.probe import probe

#: Degradations of the recordings: condition and severity.
SPOILT = (("white noise", 20.0), ("reverberation", 0.6), ("A-law", 64.0))


def figures(manifest: Path, cache: Path) -> dict[str, Any]:
    """Score the builtin nano and the systems that it is compared with.

    Args:
        manifest: the data.
        cache: folder of the encoder's frames, which the probe reads.

    Returns:
        `nano` and `own_classes`: split -> corpus -> figures; `spoilt`: condition -> corpus -> UA on test; `baseline`
        and `probe`: the same of an SVM and of a logistic regression; `handful`: the answers to a few clips of val;
        `parts`, `sentences`, `calibration`, `versions`.
    """
    utterances = read_manifest(manifest)
    recogniser = load("nano")
    found: dict[str, Any] = {"versions": versions_here(), "nano": {}, "own_classes": {}}
    for split in ("val", "test"):
        found["nano"][split], found["own_classes"][split] = {}, {}
        for corpus in CORPORA:
            chosen = _chosen(utterances, split, corpus)
            predictions = list(recogniser.predict(chosen, 16))
            found["nano"][split][corpus] = _figures(recogniser, chosen, predictions, split)
            narrowed = _narrowed(recogniser, chosen, predictions)
            found["own_classes"][split][corpus] = _figures(recogniser, chosen, narrowed, split)
    found["spoilt"] = {
        f"{name} {severity:g}": {
            corpus: _spoilt(recogniser, _chosen(utterances, "test", corpus), name, severity) for corpus in CORPORA
        }
        for name, severity in SPOILT
    }
    found["baseline"] = fit_and_score(manifest)
    found["probe"] = probe(recogniser, manifest, cache)
    found["parts"] = {
        name: [f"{part.shape}", part.total] for name, part in describe(recogniser.model.recipe).parts.items()
    }
    found["sentences"] = _overlap(utterances)
    found["handful"] = _handful(recogniser, utterances, manifest.parent)
    if recogniser.calibrated is not None:
        found["calibration"] = {name: getattr(recogniser.calibrated, name) for name in ("ece_before", "ece_after")}
    return found


def _chosen(utterances: Sequence[Utterance], split: str, corpus: str) -> list[Utterance]:
    return [u for u in utterances if u.split == split and u.corpus == corpus]


def _overlap(utterances: Sequence[Utterance]) -> str:
    """Count how many of each corpus's test sentences occur in the training data."""
    trained = {u.transcript for u in utterances if u.split == "train"}
    tested = {corpus: {u.transcript for u in _chosen(utterances, "test", corpus)} for corpus in CORPORA}
    shares = [f"{len(sentences & trained)} of {len(sentences)} on {corpus}" for corpus, sentences in tested.items()]
    return ", ".join(shares)


def _handful(recogniser: Recogniser, utterances: Sequence[Utterance], root: Path) -> dict[str, dict[str, Any]]:
    """Two clips of val of each corpus, by path below the data's folder: `tests/real` compares them."""
    chosen = [u for corpus in CORPORA for u in _chosen(utterances, "val", corpus)[:40:20]]
    names = [Path(str(u.audio)).relative_to(root).as_posix() for u in chosen]
    answers = (prediction.to_dict() for prediction in recogniser.predict(chosen, 1))
    return {
        name: {"label": answer["label"], "probabilities": answer["probabilities"]}
        for name, answer in zip(names, answers, strict=True)
    }


def _figures(
    recogniser: Recogniser, chosen: Sequence[Utterance], predictions: Sequence[Prediction], split: str
) -> dict[str, Any]:
    data = chosen[0].corpus or ""
    report = build_report(chosen, predictions, recogniser.labels, model="nano", data=data, split=split)
    intervals = {name: interval and [interval.low, interval.high] for name, interval in report.intervals.items()}
    scores = asdict(report.scores)
    kept = {name: scores[name] for name in ("n", "ua", "wa", "macro_f1", "weighted_f1", "confusion", "labels")}
    each = answers_of(chosen, predictions, recogniser.labels, "")
    ece = calibrate(each.reference, each.probabilities, each.labels).ece
    return {**kept, "intervals": intervals, "speakers": report.speakers, "ece": ece}


def _narrowed(
    recogniser: Recogniser, chosen: Sequence[Utterance], predictions: Sequence[Prediction]
) -> list[Prediction]:
    """Restrict the answers to the corpus's own classes and renormalise the probabilities."""
    own = {recogniser.labels.classify(u.emotion) for u in chosen}
    narrowed = []
    for prediction in predictions:
        shares = {name: share if name in own else 0.0 for name, share in prediction.probabilities.items()}
        total = sum(shares.values())
        shares = {name: share / total for name, share in shares.items()}
        narrowed.append(replace(prediction, label=max(shares, key=shares.__getitem__), probabilities=shares))
    return narrowed


def _spoilt(recogniser: Recogniser, chosen: Sequence[Utterance], name: str, severity: float) -> float:
    """Compute UA on recordings with a degradation."""
    change = condition(name).degrade_at(severity)
    changed = []
    for number, utterance in enumerate(chosen):
        assert isinstance(utterance.audio, Path)
        samples = change(load_audio(utterance.audio), np.random.default_rng([0, number]))
        changed.append(replace(utterance, audio=samples))
    ua: float = _figures(recogniser, chosen, list(recogniser.predict(changed, 16)), "test")["ua"]
    return ua
