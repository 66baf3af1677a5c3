"""A protocol as a record, and its application to data: folds, classes, and notes for a reader of the figures.

The numbers of clips are checked before anything is scored. Other corpora in the same manifests are training data (their
train split, or everything if they have no splits) and are never tested.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from emosllm.corpora.manifest import read_manifest
from emosllm.errors import UserError
from emosllm.experiments.data.folds import Fold
from emosllm.experiments.data.leakage import check_folds
from emosllm.experiments.data.manifests import read_manifests
from emosllm.labels import LABEL_SETS, LabelSet
from emosllm.recipe_parts import Metric
from emosllm.utterance import Utterance

#: Maps a protocol's own utterances and its classes to its folds.
Folds = Callable[[Sequence[Utterance], LabelSet], list[Fold]]
#: Maps the same utterances, whether the system takes audio, and its classes to a line for each deviation.
Counts = Callable[[Sequence[Utterance], bool, LabelSet], list[str]]


@dataclass(frozen=True)
class Protocol:
    """How a published figure was measured.

    Attributes:
        name: on the command line.
        title: one line for people.
        corpus: the corpus that is tested.
        labels: name of the label set for training and scoring; `None` is the recipe's.
        headline: the figure that papers compare.
        folds: the function that makes the folds.
        counts: the function that compares the data with the complete corpus.
        chooses: whether weights are selected on its validation part.
        shared_speakers: why two parts may share speakers; `None` if they may not.
        drawn_validation: why train and val may share speakers, if a protocol draws val from train.
        dialogue: maps a clip to its dialogue, which must be in one part; `None` if the protocol splits dialogues.
        shared_recordings: number of tested clips of a fold that its published lists also have in training.
        narrows: whether a system without training may lack some classes, as a wrong number of clips (`--partial`).
        notes: warnings for a reader of the figures.
    """

    name: str
    title: str
    corpus: str
    labels: str | None
    headline: Metric
    folds: Folds
    counts: Counts
    chooses: bool = False
    shared_speakers: str | None = None
    drawn_validation: str | None = None
    dialogue: Callable[[Utterance], str | None] | None = None
    shared_recordings: int = 0
    narrows: bool = False
    notes: tuple[str, ...] = ()

    @property
    def shares(self) -> bool:
        """Whether train and val may share speakers."""
        return self.shared_speakers is not None or self.drawn_validation is not None

    def check(self, folds: Sequence[Fold], scored: Literal["test", "val"] = "test") -> list[str]:
        """Run `check_folds` with the exceptions of this protocol."""
        rules = (self.shared_speakers, self.drawn_validation, self.dialogue, self.shared_recordings)
        return check_folds(folds, *rules, scored)


@dataclass(frozen=True)
class ProtocolData:
    """A protocol's folds on given data.

    Attributes:
        folds: with the training data of other corpora.
        labels: the classes to be scored.
        notes: warnings for a reader of the figures.
        partial: whether numbers of clips are wrong and `--partial` allowed it.
    """

    folds: tuple[Fold, ...]
    labels: LabelSet
    notes: tuple[str, ...]
    partial: bool


def apply_protocol(
    protocol: Protocol,
    utterances: Sequence[Utterance],
    labels: LabelSet,
    has_audio: bool,
    partial: bool = False,
    as_it_is: bool = False,
) -> ProtocolData:
    """A protocol's folds.

    Args:
        protocol: to apply.
        utterances: of its corpus, and of other corpora as training data.
        labels: the possible answers of the system.
        has_audio: whether the system takes recordings.
        partial: continue although numbers of clips are wrong, with a warning in the notes.
        as_it_is: whether the system is not trained, so that it has no other classes than `labels`.

    Raises:
        UserError: no utterance of the corpus, wrong numbers of clips, or folds that cannot be made.
    """
    classes = LABEL_SETS[protocol.labels] if protocol.labels is not None else labels
    if as_it_is and protocol.narrows:
        classes = classes.only(name for name in classes.names if name in labels.names)
    own = [utterance for utterance in utterances if utterance.corpus == protocol.corpus]
    others = [utterance for utterance in utterances if utterance.corpus != protocol.corpus]
    if not own:
        there = ", ".join(sorted({utterance.corpus or "(none)" for utterance in utterances}))
        raise UserError(
            f"protocol {protocol.name} tests {protocol.corpus}, and the data have {there}; "
            f"`emosllm prepare {protocol.corpus} FOLDER --out MANIFEST` makes its manifest"
        )
    notes = list(protocol.notes)
    if wrong := protocol.counts(own, has_audio, classes):
        if not partial:
            raise UserError(f"protocol {protocol.name}: {'; '.join(wrong)}. Use --partial to continue with a warning")
        notes = [f"PARTIAL, not comparable with published figures: {line}." for line in wrong] + notes
    extra = tuple(utterance for utterance in others if utterance.split in ("train", None))
    if extra:
        counts = ", ".join(f"{n} of {name or 'no name'}" for name, n in Counter(u.corpus for u in extra).items())
        notes.append(f"Other corpora are also in training: {counts}.")
    if protocol.labels is None:
        classes = _common(own, extra, labels)
        notes.append(f"Scored in the classes that occur: {', '.join(classes.names)}.")
    folds = protocol.folds(own, classes)
    if protocol.chooses and not any(fold.val for fold in folds):
        chosen_by = tuple(u for u in others if u.split == "val" and classes.classify(u.emotion))
        folds = [replace(fold, val=chosen_by) for fold in folds]
    widened = tuple(replace(fold, train=fold.train + extra) for fold in folds)
    left = sum(classes.classify(utterance.emotion) is None for utterance in own)
    if left:
        notes.append(f"{left} of {len(own)} clips have no class of {classes.name} and are not tested.")
    return ProtocolData(widened, classes, tuple(notes), bool(wrong))


def apply_protocol_to_manifests(
    protocol: Protocol,
    manifests: Sequence[Path],
    labels: LabelSet,
    has_audio: bool,
    partial: bool = False,
    as_it_is: bool = False,
) -> ProtocolData:
    """`apply_protocol` of what manifests hold; of EmoBox each manifest is one fold."""
    how = (labels, has_audio, partial, as_it_is)
    if not protocol.name.startswith("emobox:"):
        return apply_protocol(protocol, read_manifests(manifests), *how)
    parts = [apply_protocol(protocol, read_manifest(path), *how) for path in manifests]
    folds = [replace(part.folds[0], name=f"fold-{number}") for number, part in enumerate(parts, start=1)]
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    return ProtocolData(tuple(folds), parts[0].labels, tuple(notes), any(part.partial for part in parts))


def _common(own: Sequence[Utterance], extra: Sequence[Utterance], labels: LabelSet) -> LabelSet:
    """The classes that occur in the tested corpus and, with other training corpora, in one of these."""
    tested = {labels.classify(utterance.emotion) for utterance in own} - {None}
    trained_labels = {labels.classify(utterance.emotion) for utterance in extra} - {None}
    return labels.only(
        name for name in labels.names if name in tested and (not trained_labels or name in trained_labels)
    )
