"""Build a `Report` from utterances and predictions."""

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Literal, Required, TypedDict, Unpack

import emosllm
from emosllm.errors import UserError
from emosllm.evaluation.metrics import normalise_transcript, score, word_error_rate
from emosllm.evaluation.provenance import Provenance
from emosllm.evaluation.report import GroupScore, Report, TranscriptsFrom
from emosllm.evaluation.report_fields import report_fields
from emosllm.evaluation.robustness.records import Robustness
from emosllm.evaluation.statistics.bootstrap import bootstrap_by_speaker, count_clusters
from emosllm.labels import LabelSet
from emosllm.utterance import Prediction, Utterance

__all__ = ["GroupScore", "Report", "ReportFacts", "build_report", "versions_here"]


_LIBRARIES = ("torch", "transformers", "peft", "numpy", "scikit-learn", "jiwer")


class ReportFacts(TypedDict, total=False):
    """Facts about an evaluation that the report repeats. Only WER depends on them.

    Attributes:
        model: the user's name for the system.
        data: the user's name for the data.
        split: the part of the data.
        strategy: the inference strategy.
        transcripts_from: `model` if it wrote the predictions' transcripts itself (WER is then computed, over all clips
            that have a reference transcript), `given` if they are the references.
        seconds: duration of the prediction.
        answer: whether labels were scored or searched in a free answer.
        fallback: the class of a free answer that names no label.
        robustness: a sweep over the same clips.
        provenance: the system, the data and the machine.
        doubts: reasons to distrust the figures, one sentence each.
    """

    model: Required[str]
    data: Required[str]
    split: str | None
    strategy: str | None
    transcripts_from: TranscriptsFrom | None
    seconds: float
    answer: Literal["score", "generate"]
    fallback: str | None
    robustness: Robustness | None
    provenance: Provenance | None
    doubts: Sequence[str]


_DEFAULTS: dict[str, Any] = {"split": None, "strategy": None, "transcripts_from": None, "seconds": 0.0}


def build_report(
    utterances: Sequence[Utterance],
    predictions: Sequence[Prediction],
    labels: LabelSet,
    *,
    reference_clips: Sequence[Utterance] = (),
    temperature: float | Sequence[float] = 1.0,
    abstain_below: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    **facts: Unpack[ReportFacts],
) -> Report:
    """Score one prediction per utterance.

    An utterance whose emotion has no class in `labels` is counted in `left_out` and not scored. A prediction with an
    error, without a label or with a label outside `labels` is no answer, and wrong.

    Args:
        utterances: with their true emotions.
        predictions: in the same order.
        labels: the classes to score in.
        reference_clips: clips of the training and validation part, for the classes' mean valence, arousal and
            dominance. Clips that are scored are skipped.
        temperature: the temperature of the probabilities; one for each prediction if they differ.
        abstain_below: the least confidence at which a clip is answered, for the figures of abstention.
        resamples: of the speakers, for the intervals.
        seed: of the resampling.
        level: of the intervals.
        **facts: see `ReportFacts`; `model` and `data` are required.

    Raises:
        UserError: the lengths differ, nothing is left to score, or the extra `eval` is not installed.
    """
    if len(utterances) != len(predictions):
        raise UserError(f"{len(utterances)} utterances but {len(predictions)} predictions: one each is needed")
    draws: dict[str, Any] = {"resamples": resamples, "seed": seed, "level": level}
    circumstances = {**_DEFAULTS, **facts, "doubts": tuple(facts.get("doubts", ()))}
    if facts.get("answer", "score") == "score":
        circumstances["fallback"] = None
    by_model = facts.get("transcripts_from") == "model"
    wer, wer_transcripts = _wer(utterances, predictions) if by_model else (None, 0)
    how: dict[str, Any] = {
        "temperature": temperature,
        "abstain_below": abstain_below,
        "reference_clips": reference_clips,
    }
    return Report(
        label_set=labels.name,
        labels=labels.names,
        merges=dict(labels.merges),
        **_score_fields(utterances, predictions, labels, draws),
        **draws,
        wer=wer,
        wer_transcripts=wer_transcripts,
        versions=versions_here(),
        **circumstances,
        **report_fields(utterances, predictions, labels, **how, **draws),
    )


def _score_fields(
    utterances: Sequence[Utterance], predictions: Sequence[Prediction], labels: LabelSet, draws: Mapping[str, Any]
) -> dict[str, Any]:
    """The scores with their intervals, of all clips and by corpus, and the numbers of clips scored and left out."""
    rows, unnamed = [], 0
    left_out: Counter[str] = Counter()
    for utterance, prediction in zip(utterances, predictions, strict=True):
        name = labels.classify(utterance.emotion)
        if name is None:
            left_out[utterance.emotion or "no label"] += 1
        else:
            rows.append((utterance, name, labels.classify(prediction.label)))
            unnamed += prediction.unnamed
    reference, answers = [name for _, name, _ in rows], [answer for _, _, answer in rows]
    speakers = [utterance.speaker for utterance, _, _ in rows]
    return {
        "scores": score(reference, answers, labels.names),
        "intervals": bootstrap_by_speaker(reference, answers, speakers, labels.names, **draws),
        "speakers": len(set(speakers) - {None}),
        "clusters": count_clusters(speakers),
        "left_out": dict(left_out),
        "errors": sum(prediction.error is not None for prediction in predictions),
        "unnamed": unnamed,
        "by_corpus": _by_corpus(rows, labels, **draws),
    }


def versions_here() -> dict[str, str]:
    """The versions of emosllm, Python and the installed libraries; imports none of them."""
    versions = {"emosllm": emosllm.__version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _wer(utterances: Sequence[Utterance], predictions: Sequence[Prediction]) -> tuple[float | None, int]:
    """Word error rate over all clips with a reference transcript, and the number of these clips."""
    references = [utterance.transcript or "" for utterance in utterances]
    rate = word_error_rate(references, [prediction.transcript for prediction in predictions])
    return rate, sum(bool(normalise_transcript(text)) for text in references)


def _by_corpus(
    rows: Sequence[tuple[Utterance, str, str | None]], labels: LabelSet, resamples: int, seed: int, level: float
) -> dict[str, GroupScore]:
    groups: dict[str, list[tuple[Utterance, str, str | None]]] = {}
    for row in rows:
        groups.setdefault(row[0].corpus or "unnamed", []).append(row)
    table = {}
    for name, members in groups.items():
        utterances, reference, answers = zip(*members, strict=True)
        speakers = [utterance.speaker for utterance in utterances]
        scores = score(reference, answers, labels.names)
        intervals = bootstrap_by_speaker(
            reference, answers, speakers, labels.names, resamples=resamples, seed=seed, level=level
        )
        table[name] = GroupScore(
            n=scores.n,
            speakers=count_clusters(speakers),
            classes=len(scores.per_class),
            ua=scores.ua,
            ua_interval=intervals["ua"],
            wa=scores.wa,
        )
    return table
