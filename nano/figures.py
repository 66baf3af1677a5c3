"""nano's figures: UA and WA on val and test per corpus, among all its classes or the corpus's own, beside a baseline.

Gives up: significance against the baseline; the intervals are nano's own.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emosllm.corpora.manifest import read_manifest
from emosllm.evaluation.report import build_report, versions_here
from emosllm.inference.loading import load
from emosllm.inference.recogniser import Recogniser, Transcripts
from emosllm.models.describe import describe
from emosllm.parts import Strategy
from emosllm.utterance import Utterance
from nano.baseline import fit_and_score

CORPORA = ("ravdess", "emodb", "nemo")
STRATEGIES: tuple[Strategy, ...] = ("ser", "transcript-in-prompt", "transcript-first")


def figures(manifest: Path) -> dict[str, Any]:
    """Score the builtin nano and the baseline on val and test.

    Returns:
        `nano` and `baseline`: split -> corpus -> figures; `strategies`: val UA by inference strategy, which is told the
        true transcripts; `calibration`: ECE on val before and after.
    """
    utterances = read_manifest(manifest)
    recogniser = load("nano")
    found: dict[str, Any] = {"versions": versions_here(), "nano": {}, "own_classes": {}, "strategies": {}}
    for split in ("val", "test"):
        found["nano"][split] = {corpus: _score(recogniser, utterances, split, corpus) for corpus in CORPORA}
        found["own_classes"][split] = {
            corpus: _score(_narrowed(recogniser, utterances, corpus), utterances, split, corpus) for corpus in CORPORA
        }
    for strategy in STRATEGIES:
        asked = Recogniser(recogniser.model, recogniser.processor, strategy)
        found["strategies"][strategy] = {c: _score(asked, utterances, "val", c, "given")["ua"] for c in CORPORA}
    found["baseline"] = fit_and_score(manifest)
    found["parts"] = {
        name: [f"{part.shape}", part.total] for name, part in describe(recogniser.model.recipe).parts.items()
    }
    found["sentences"] = _overlap(utterances)
    if recogniser.calibrated is not None:
        found["calibration"] = {name: getattr(recogniser.calibrated, name) for name in ("ece_before", "ece_after")}
    return found


def _overlap(utterances: Sequence[Utterance]) -> str:
    """How many of the test sentences of each corpus were said in training."""
    said = {u.transcript for u in utterances if u.split == "train"}
    tested = {
        corpus: {u.transcript for u in utterances if u.split == "test" and u.corpus == corpus} for corpus in CORPORA
    }
    shares = [f"{len(sentences & said)} of {len(sentences)} on {corpus}" for corpus, sentences in tested.items()]
    return ", ".join(shares)


def _score(
    recogniser: Recogniser, utterances: Sequence[Utterance], split: str, corpus: str, transcripts: Transcripts = "own"
) -> dict[str, Any]:
    chosen = [u for u in utterances if u.split == split and u.corpus == corpus]
    predictions = list(recogniser.predict(chosen, 16, transcripts))
    report = build_report(chosen, predictions, recogniser.labels, model="nano", data=corpus, split=split)
    intervals = {name: interval and [interval.low, interval.high] for name, interval in report.intervals.items()}
    scores = asdict(report.scores)
    kept = {name: scores[name] for name in ("n", "ua", "wa", "macro_f1", "weighted_f1", "confusion", "labels")}
    return {**kept, "intervals": intervals, "speakers": report.speakers}


def _narrowed(recogniser: Recogniser, utterances: Sequence[Utterance], corpus: str) -> Recogniser:
    """The same system choosing among the corpus's own classes."""
    own = {recogniser.labels.classify(u.emotion) for u in utterances if u.corpus == corpus} - {None}
    labels = recogniser.labels.only(sorted(name for name in own if name))
    return Recogniser(recogniser.model, recogniser.processor, recogniser.strategy, labels)
