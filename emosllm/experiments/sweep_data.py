"""How a sweep divides its data: into k parts, by the manifest's own splits, or as a published protocol has them.

The test is left alone whichever way: of own splits and of a protocol the val part is reported. Given up: sweeps under
protocols that have no validation part; each of their systems is one `emosllm evaluate --protocol`.
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

FOLDS = 5  # where nobody says how many
_OF_VAL = "Figures are of the val split; comparing on it makes the best of them optimistic."


@dataclass(frozen=True)
class SweepData:
    """The data of a sweep.

    Attributes:
        folds: whose test part is what is reported; nothing is left to choose by.
        variants: the systems, with the classes that they are scored in.
        figure: what they are compared by.
        notes: what a reader of the figures must know.
        data: how they are called.
        shared_speakers: whether a published split has the same people on two sides.
        partial: whether a protocol's counts are wrong and that was allowed.
    """

    folds: Sequence[Fold]
    variants: Sequence[Variant]
    figure: Metric
    notes: Sequence[str]
    data: str
    shared_speakers: bool = False
    partial: bool = False


def protocol_overrides(protocol: str | None, overrides: Sequence[str]) -> list[str]:
    """Overrides with the classes that a protocol scores, where it has its own and nobody names others."""
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
    """Divide what manifests hold.

    Args:
        manifests: the data.
        variants: the systems.
        k: parts of the cross-validation, `FOLDS` where `None`; 1 takes the manifests' own train and val.
        protocol: name of the protocol whose train and val are taken, with whatever it allows.
        partial: with a protocol, go on where its counts are wrong.

    Raises:
        UserError: data that cannot be divided so, or that leak.
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
    return SweepData(folds, variants, variants[0].recipe.training.choose_by, notes, _called(manifests))


def _as_published(manifests: Sequence[Path], variants: Sequence[Variant], name: str, partial: bool) -> SweepData:
    """A protocol's train and val parts, its leaks refused with the test part in view."""
    protocol = find_protocol(name)
    for recipe in (variant.recipe for variant in variants):
        if protocol.labels not in (None, recipe.labels):
            raise UserError(f"labels={recipe.labels}: protocol {name} is scored in {protocol.labels}; leave labels out")
    listens = any(variant.recipe.encoder is not None for variant in variants)
    laid = apply_protocol_to_manifests(protocol, manifests, variants[0].classes, listens, partial)
    if not all(fold.val and all(u.corpus == protocol.corpus for u in fold.val) for fold in laid.folds):
        raise UserError(
            f"protocol {name} has no validation part of {protocol.corpus} here, and a sweep leaves the test alone; "
            "leave --protocol out: --folds divides by speakers"
        )
    notes = [*laid.notes, *protocol.check(laid.folds, "val")]
    held = sum(len(fold.test) for fold in laid.folds)
    return SweepData(
        folds=[Fold(f.name, f.train, (), tuple(replace(u, split="val") for u in f.val)) for f in laid.folds],
        variants=[replace(variant, labels=laid.labels) for variant in variants],
        figure=protocol.headline,
        notes=[f"Divided as protocol {name} has it.", *_left_alone(held), _OF_VAL, *notes],
        data=f"{_called(manifests)} as {name}{' (PARTIAL)' if laid.partial else ''}",
        shared_speakers=protocol.shares,
        partial=laid.partial,
    )


def _folds(utterances: Sequence[Utterance], labels: LabelSet, k: int) -> tuple[list[Fold], list[str]]:
    """The folds of all but the test split, and what to say of them."""
    kept = [utterance for utterance in utterances if utterance.split != "test"]
    notes = _left_alone(len(utterances) - len(kept))
    if k == 1:
        return [own_splits(kept, labels, test="val")], [*notes, _OF_VAL]
    unsplit = [replace(utterance, split=None) for utterance in kept]
    return cross_validation(unsplit, labels, k), notes


def _left_alone(held: int) -> list[str]:
    return [f"{held} clips of the test split were left alone."] if held else []


def _called(manifests: Sequence[Path]) -> str:
    return ", ".join(map(str, manifests))
