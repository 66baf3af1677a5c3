"""Divide the data of a sweep: into k parts, by the manifest's own splits, or by a published protocol.

The test part is never used: of own splits and of a protocol the val part is reported. Not supported: sweeps under
protocols without a validation part. Evaluate each of their systems with `emosllm evaluate --protocol`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emosllm.errors import UserError
from emosllm.experiments.data.folds import Fold, cross_validation, own_splits
from emosllm.experiments.data.leakage import check_folds
from emosllm.experiments.data.manifests import read_manifests
from emosllm.experiments.grid import Variant
from emosllm.experiments.protocols.catalogue import find_protocol
from emosllm.experiments.protocols.protocol import apply_protocol_to_manifests
from emosllm.labels import LabelSet
from emosllm.recipe_parts import Metric
from emosllm.utterance import Utterance

FOLDS = 5  # the default number
_OF_VAL = "Figures are of the val split; comparing on it makes the best of them optimistic."


@dataclass(frozen=True)
class SweepData:
    """The data of a sweep.

    Attributes:
        folds: their test parts are reported; they have no validation parts.
        variants: the systems, with the classes that they are scored in.
        figure: the figure that they are compared by.
        notes: warnings for a reader of the figures.
        data: the name of the data.
        shared_speakers: whether a published split has the same speakers in two parts.
        partial: whether numbers of clips are wrong and `--partial` allowed it.
    """

    folds: Sequence[Fold]
    variants: Sequence[Variant]
    figure: Metric
    notes: Sequence[str]
    data: str
    shared_speakers: bool = False
    partial: bool = False


def protocol_overrides(protocol: str | None, overrides: Sequence[str]) -> list[str]:
    """Add a protocol's own classes to the overrides, unless these already name a label set."""
    labels = None if protocol is None else find_protocol(protocol).labels
    named = any(text.partition("=")[0] == "labels" for text in overrides)
    return [*overrides] if labels is None or named else [*overrides, f"labels={labels}"]


def divide_data(
    manifests: Sequence[Path],
    variants: Sequence[Variant],
    k: int | None = None,
    protocol: str | None = None,
    partial: bool = False,
) -> SweepData:
    """Divide the utterances of manifests.

    Args:
        manifests: the data.
        variants: the systems.
        k: parts of the cross-validation, `FOLDS` if `None`; 1 uses the manifests' own train and val.
        protocol: name of a protocol, whose train and val parts and exceptions from the checks are used.
        partial: with a protocol, continue although numbers of clips are wrong.

    Raises:
        UserError: data that cannot be divided in this way, or leakage.
    """
    if protocol is not None:
        if k is not None:
            raise UserError(f"--folds {k} and --protocol cannot be used together: {protocol} has its own parts")
        return _as_published(manifests, variants, protocol, partial)
    if partial:
        raise UserError("--partial is for --protocol: leave it out, or name a protocol")
    k = FOLDS if k is None else k
    if k < 1:
        raise UserError(f"{k} folds: give 1 or more")
    folds, notes = _folds(read_manifests(manifests), variants[0].classes, k)
    notes += check_folds(folds)
    return SweepData(folds, variants, variants[0].recipe.training.choose_by, notes, _data_name(manifests))


def _as_published(manifests: Sequence[Path], variants: Sequence[Variant], name: str, partial: bool) -> SweepData:
    """A protocol's train and val parts; the check for leakage includes the test part."""
    protocol = find_protocol(name)
    for recipe in (variant.recipe for variant in variants):
        if protocol.labels not in (None, recipe.labels):
            raise UserError(f"labels={recipe.labels}: protocol {name} is scored in {protocol.labels}: leave labels out")
    takes_audio = any(variant.recipe.encoder is not None for variant in variants)
    divided = apply_protocol_to_manifests(protocol, manifests, variants[0].classes, takes_audio, partial)
    if not all(fold.val and all(u.corpus == protocol.corpus for u in fold.val) for fold in divided.folds):
        raise UserError(
            f"protocol {name} has no validation part of {protocol.corpus} here, and a sweep does not use the test: "
            "leave --protocol out, and divide by speakers with --folds"
        )
    notes = [*divided.notes, *protocol.check(divided.folds, "val")]
    unused = sum(len(fold.test) for fold in divided.folds)
    return SweepData(
        folds=[Fold(f.name, f.train, (), tuple(replace(u, split="val") for u in f.val)) for f in divided.folds],
        variants=[replace(variant, labels=divided.labels) for variant in variants],
        figure=protocol.headline,
        notes=[f"Divided as protocol {name} has it.", *_unused_test_note(unused), _OF_VAL, *notes],
        data=f"{_data_name(manifests)} as {name}{' (PARTIAL)' if divided.partial else ''}",
        shared_speakers=protocol.shares,
        partial=divided.partial,
    )


def _folds(utterances: Sequence[Utterance], labels: LabelSet, k: int) -> tuple[list[Fold], list[str]]:
    """The folds of all splits but test, and notes on them."""
    kept = [utterance for utterance in utterances if utterance.split != "test"]
    notes = _unused_test_note(len(utterances) - len(kept))
    if k == 1:
        return [own_splits(kept, labels, test="val")], [*notes, _OF_VAL]
    unsplit = [replace(utterance, split=None) for utterance in kept]
    return cross_validation(unsplit, labels, k), notes


def _unused_test_note(unused: int) -> list[str]:
    return [f"{unused} clips of the test split were left alone."] if unused else []


def _data_name(manifests: Sequence[Path]) -> str:
    return ", ".join(map(str, manifests))
