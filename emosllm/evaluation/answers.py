"""The answers of one system to a set of clips, built from predictions or read from a report's folder.

All later figures are computed from these. Answers are classes of one label set. Two systems are paired only if both
were scored in the same classes, on the same clips and against the same reference; otherwise an error is raised.
Not supported: pairing a part of the clips.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosllm.errors import UserError
from emosllm.labels import LabelSet
from emosllm.utterance import Prediction, Utterance


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one system. Each position in a tuple is a clip; clips without a class are left out.

    Attributes:
        name: the user's name for the system.
        labels: the classes, in the order of every table.
        ids: of the clips. Each occurs once.
        reference: the true classes.
        predicted: the answers; `None` if there is none.
        speakers: `None` if unknown.
        genders: `female`, `male` or `None`.
        languages: ISO 639-1 or `None`.
        probabilities: class -> probability, with the label set's merges applied; empty if there is no answer.
    """

    name: str
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    reference: tuple[str, ...]
    predicted: tuple[str | None, ...]
    speakers: tuple[str | None, ...]
    genders: tuple[str | None, ...]
    languages: tuple[str | None, ...]
    probabilities: tuple[Mapping[str, float], ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for clip in self.ids:
            if clip in seen:
                raise UserError(f"{self.name}: clip {clip} occurs twice: ids must be unique")
            seen.add(clip)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def correct(self) -> tuple[bool, ...]:
        """Whether each answer is right."""
        return tuple(true == answer for true, answer in zip(self.reference, self.predicted, strict=True))

    @property
    def confidences(self) -> tuple[float | None, ...]:
        """The probability of each answer; `None` if there is no answer or no probability."""
        pairs = zip(self.predicted, self.probabilities, strict=True)
        return tuple(None if answer is None else each.get(answer) for answer, each in pairs)

    def take(self, places: Sequence[int]) -> "Answers":
        """Select the clips at the positions `places`, in that order."""
        fields = ("ids", "reference", "predicted", "speakers", "genders", "languages", "probabilities")
        return Answers(self.name, self.labels, *(tuple(getattr(self, name)[i] for i in places) for name in fields))


def answers_of(
    utterances: Sequence[Utterance], predictions: Sequence[Prediction], labels: LabelSet, name: str
) -> Answers:
    """Convert predictions into answers as `build_report` scores them; clips without a class in `labels` are left out.

    Args:
        utterances: with their true emotions.
        predictions: in the same order.
        labels: the classes to score in. Its merges apply to the reference, the answers and the probabilities.
        name: the name for the system.

    Raises:
        UserError: the lengths differ, or an id occurs twice.
    """
    if len(utterances) != len(predictions):
        raise UserError(f"{len(utterances)} utterances but {len(predictions)} predictions: one each is needed")
    rows = []
    for utterance, prediction in zip(utterances, predictions, strict=True):
        true = labels.classify(utterance.emotion)
        if true is not None:
            merged = _merge_probabilities(prediction.probabilities, labels)
            who = (utterance.speaker, utterance.gender, utterance.language)
            rows.append((utterance.id, true, labels.classify(prediction.label), *who, merged))
    columns = [tuple(column) for column in zip(*rows, strict=True)] or [()] * 7
    return Answers(name, labels.names, *columns)


def read_answers(folder: Path, name: str | None = None) -> Answers:
    """Read the answers from the folder of a report.

    Args:
        folder: contains `report.json` and `predictions.jsonl`, as `write_report` writes them.
        name: the name for the system; by default the report's.

    Raises:
        UserError: a file is missing, or was not written by `write_report`.
    """
    page, listing = folder / "report.json", folder / "predictions.jsonl"
    try:
        report = json.loads(page.read_text("utf-8"))
        labels = LabelSet(report["label_set"], tuple(report["labels"]), report["merges"])
        rows = [json.loads(line) for line in listing.read_text("utf-8").splitlines()]
        pairs = [(_utterance(row), prediction_of(row)) for row in rows]
        called = name or str(report["model"])
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing: `emosllm evaluate` writes it") from error
    except OSError as error:
        raise UserError(f"cannot read {error.filename}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise UserError(f"{folder} holds no complete report ({error!r}): run `emosllm evaluate` again") from error
    return answers_of([clip for clip, _ in pairs], [answer for _, answer in pairs], labels, called)


def prediction_of(row: Mapping[str, Any]) -> Prediction:
    """Convert a line of `predictions.jsonl` into a prediction; its probabilities are rounded."""
    free = (row.get("said"), row.get("unnamed", False))
    return Prediction(row["path"], row["label"], row["probabilities"], row["transcript"], *free, row["error"])


def paired(first: Answers, second: Answers) -> Answers:
    """Sort `second` into the order of `first`, after a check that both have the same clips, classes and reference.

    Raises:
        UserError: the classes, the clips, or the reference of a clip differ.
    """
    names = f"{first.name} and {second.name}"
    if first.labels != second.labels:
        raise UserError(
            f"{names} cannot be compared: one answers {', '.join(first.labels)}, the other {', '.join(second.labels)}"
        )
    place = {clip: index for index, clip in enumerate(second.ids)}
    only_first = [clip for clip in first.ids if clip not in place]
    only_second = sorted(set(second.ids) - set(first.ids))
    if only_first or only_second:
        found = f"{len(only_first)} clips only in the first, {len(only_second)} only in the second"
        example = (only_first or only_second)[0]
        raise UserError(f"{names} cannot be compared: {found} (such as {example}); score both on the same data")
    ordered = second.take([place[clip] for clip in first.ids])
    for clip, one, other in zip(first.ids, first.reference, ordered.reference, strict=True):
        if one != other:
            raise UserError(f"{names} cannot be compared: clip {clip} is {one} in one reference and {other} in another")
    return ordered


def _merge_probabilities(probabilities: Mapping[str, float], labels: LabelSet) -> dict[str, float]:
    merged = dict.fromkeys(labels.names, 0.0) if probabilities else {}
    for emotion, probability in probabilities.items():
        name = labels.classify(emotion)
        if name is not None:
            merged[name] += probability
    return merged


def _utterance(row: Mapping[str, Any]) -> Utterance:
    names = ("emotion", "speaker", "gender", "language", "corpus")
    return Utterance(row["id"], **{name: row[name] for name in names})
