"""Folds: who is learned from, chosen by and tested on; by the manifest's own splits, by k parts, or one left out.

A fold is three lists of utterances and a name. How lists came about is decided here, whether they may be used is
decided in `leaks.py`, for all folds alike. Given up: nested cross-validation.
"""

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from emosllm.errors import UserError
from emosllm.extras import extra
from emosllm.labels import LabelSet
from emosllm.utterance import Utterance


@dataclass(frozen=True)
class Fold:
    """One way to divide the data.

    Attributes:
        name: as in file names, `fold-1`.
        train: to learn from.
        val: to choose weights by; empty where nothing is chosen.
        test: to be scored on.
    """

    name: str
    train: tuple[Utterance, ...]
    val: tuple[Utterance, ...]
    test: tuple[Utterance, ...]

    @property
    def digest(self) -> str:
        """Changes when anything about the utterances or their sides does."""
        digest = hashlib.blake2b(digest_size=16)
        for side in (self.train, self.val, self.test):
            digest.update(b"\n--\n" + "\n".join(repr(asdict(utterance)) for utterance in side).encode())
        return digest.hexdigest()


def own_splits(utterances: Sequence[Utterance], labels: LabelSet, test: str = "test", name: str = "fold-1") -> Fold:
    """The manifest's own splits as one fold.

    Args:
        utterances: of which those without a split are left out.
        labels: val and test keep what has a class.
        test: the split to score on; with `val` nothing is left to choose by.
        name: of the fold.

    Raises:
        UserError: nothing to learn from, or nothing to score on.
    """
    sides = {
        split: tuple(u for u in utterances if u.split == split and (split == "train" or labels.classify(u.emotion)))
        for split in ("train", "val", "test")
    }
    for split in ("train", test):
        if not sides[split]:
            there = ", ".join(f"{name or '(none)'} {n}" for name, n in Counter(u.split for u in utterances).items())
            raise UserError(f"no utterance of split {split!r} with a class of {labels.name}; the data have {there}")
    return Fold(name, sides["train"], sides["val"] if test != "val" else (), sides[test])


def cross_validation(utterances: Sequence[Utterance], labels: LabelSet, k: int, seed: int = 0) -> list[Fold]:
    """K parts with the classes' shares alike, each tested once by what was learned from the others.

    Whoever speaks is in one part only; where nobody knows who speaks, segments of one file stay together. What has no
    class (speech with a transcript alone) is learned from in every fold that does not test its speaker.

    Args:
        utterances: all, whatever split they are in.
        labels: the classes.
        k: how many parts.
        seed: of the division; the same for all trainings that shall be compared.

    Raises:
        UserError: fewer than two folds, or fewer speakers or clips than folds, or scikit-learn is not installed.
    """
    with extra("eval", "dividing data into folds"):
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    if k < 2:
        raise UserError(f"{k} folds: cross-validation needs 2 or more")
    labelled = [utterance for utterance in utterances if labels.classify(utterance.emotion)]
    classes = [labels.classify(utterance.emotion) for utterance in labelled]
    groups = [_group(utterance) for utterance in labelled]
    if len(set(groups)) < k:
        raise UserError(
            f"{len(set(groups))} speakers or recordings with a class of {labels.name} cannot make {k} folds: lower "
            "--folds, or give more data"
        )
    alone = len(set(groups)) == len(groups)
    divide = (StratifiedKFold if alone else StratifiedGroupKFold)(k, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes rarer than folds; UA is over the classes that a fold has
        try:
            parts = [set(test.tolist()) for _, test in divide.split(labelled, classes, None if alone else groups)]
        except ValueError:
            raise UserError(f"every class has fewer than {k} clips: lower --folds, or give more data") from None
    if not all(parts):
        raise UserError(f"the speakers are too few or too unlike for {k} folds: one would be empty; lower --folds")
    part_of = {labelled[index].id: number for number, part in enumerate(parts) for index in part}
    return _one_out(utterances, [str(n) for n in range(1, k + 1)], lambda u: _part_name(part_of.get(u.id)))


def leave_one_out(utterances: Sequence[Utterance], labels: LabelSet, what: str) -> list[Fold]:
    """One session, or one speaker, tested at a time by what was learned from the others.

    Args:
        utterances: all; those without that attribute are only learned from.
        labels: what has no class is not tested, and not learned from where its session or speaker is tested.
        what: `session` or `speaker`.

    Raises:
        UserError: fewer than two of them.
    """
    labelled = [u for u in utterances if labels.classify(u.emotion) and getattr(u, what)]
    names = sorted({getattr(utterance, what) for utterance in labelled})
    if len(names) < 2:
        raise UserError(f"the data have {len(names)} {what}s, so none can be left out; fill the column {what!r}")
    tested = {utterance.id for utterance in labelled}
    folds = _one_out(utterances, names, lambda u: getattr(u, what) if u.id in tested else None)
    return [
        Fold(fold.name, tuple(u for u in fold.train if getattr(u, what) != name), (), fold.test)
        for name, fold in zip(names, folds, strict=True)
    ]


def _one_out(
    utterances: Sequence[Utterance], names: Sequence[str], part_of: Callable[[Utterance], str | None]
) -> list[Fold]:
    """A fold for each name; what belongs to no part is learned from, unless a tested speaker says it."""
    folds = []
    for name in names:
        test = tuple(utterance for utterance in utterances if part_of(utterance) == name)
        heard = {_group(utterance) for utterance in test}
        train = tuple(
            u for u in utterances if part_of(u) != name and (part_of(u) is not None or _group(u) not in heard)
        )
        folds.append(Fold(f"fold-{name}", train, (), test))
    return folds


def _part_name(number: int | None) -> str | None:
    return None if number is None else str(number + 1)


def _group(utterance: Utterance) -> str:
    """Who speaks; else the file, of which several utterances may be segments; else the utterance itself."""
    if utterance.speaker:
        return f"speaker {utterance.speaker}"
    return f"file {utterance.audio}" if isinstance(utterance.audio, Path) else f"clip {utterance.id}"
