"""Divide utterances into folds: by the manifest's own splits, by k parts, or with one session or speaker left out.

A fold has a name and the utterances for training, validation and test. `leakage.py` checks whether folds may be used.
Not supported: nested cross-validation.
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
        train: the training utterances.
        val: the utterances that select the weights; empty if no weights are selected.
        test: the utterances that are scored.
    """

    name: str
    train: tuple[Utterance, ...]
    val: tuple[Utterance, ...]
    test: tuple[Utterance, ...]

    @property
    def digest(self) -> str:
        """Hash of all fields of the utterances in each part."""
        digest = hashlib.blake2b(digest_size=16)
        for side in (self.train, self.val, self.test):
            digest.update(b"\n--\n" + "\n".join(repr(asdict(utterance)) for utterance in side).encode())
        return digest.hexdigest()


def own_splits(utterances: Sequence[Utterance], labels: LabelSet, test: str = "test", name: str = "fold-1") -> Fold:
    """The manifest's own splits as one fold.

    Args:
        utterances: all; those without a split are left out.
        labels: the classes; val and test contain only utterances that have one.
        test: the split that is scored; with `val` the fold has no validation part.
        name: of the fold.

    Raises:
        UserError: there is no training utterance, or no utterance to score.
    """
    sides = {
        split: tuple(u for u in utterances if u.split == split and (split == "train" or labels.classify(u.emotion)))
        for split in ("train", "val", "test")
    }
    for split in ("train", test):
        if not sides[split]:
            counts = ", ".join(f"{name or '(none)'} {n}" for name, n in Counter(u.split for u in utterances).items())
            raise UserError(f"no utterance of split {split!r} with a class of {labels.name}; the data have {counts}")
    return Fold(name, sides["train"], sides["val"] if test != "val" else (), sides[test])


def cross_validation(utterances: Sequence[Utterance], labels: LabelSet, k: int, seed: int = 0) -> list[Fold]:
    """Divide utterances into K parts with similar shares of the classes; each part is the test part of one fold.

    All utterances of a speaker are in one part. If the speaker is unknown, all segments of a file are in one part.
    Utterances without a class (speech with only a transcript) are training data of every fold that does not test their
    speaker.

    Args:
        utterances: all, of any split.
        labels: the classes.
        k: number of parts.
        seed: of the division; trainings that are compared need the same one.

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
            f"{len(set(groups))} speakers or recordings with a class of {labels.name} are too few for {k} folds: lower "
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
        raise UserError(f"the speakers do not fill {k} folds, so one would be empty: lower --folds")
    part_of = {labelled[index].id: number for number, part in enumerate(parts) for index in part}
    return _one_out(utterances, [str(n) for n in range(1, k + 1)], lambda u: _part_name(part_of.get(u.id)))


def leave_one_out(utterances: Sequence[Utterance], labels: LabelSet, what: str) -> list[Fold]:
    """One fold for each session or speaker, which is tested after training on the others.

    Args:
        utterances: all; those without that attribute are only training data.
        labels: the classes. Utterances without one are not tested, and are left out where their session or speaker is
            tested.
        what: `session` or `speaker`.

    Raises:
        UserError: there are fewer than two sessions or speakers.
    """
    labelled = [u for u in utterances if labels.classify(u.emotion) and getattr(u, what)]
    names = sorted({getattr(utterance, what) for utterance in labelled})
    if len(names) < 2:
        raise UserError(f"the data have {len(names)} {what}s, so none can be left out: fill the column {what!r}")
    tested = {utterance.id for utterance in labelled}
    folds = _one_out(utterances, names, lambda u: getattr(u, what) if u.id in tested else None)
    return [
        Fold(fold.name, tuple(u for u in fold.train if getattr(u, what) != name), (), fold.test)
        for name, fold in zip(names, folds, strict=True)
    ]


def _one_out(
    utterances: Sequence[Utterance], names: Sequence[str], part_of: Callable[[Utterance], str | None]
) -> list[Fold]:
    """A fold for each name; utterances of no part are training data, except those of tested speakers."""
    folds = []
    for name in names:
        test = tuple(utterance for utterance in utterances if part_of(utterance) == name)
        tested = {_group(utterance) for utterance in test}
        train = tuple(
            u for u in utterances if part_of(u) != name and (part_of(u) is not None or _group(u) not in tested)
        )
        folds.append(Fold(f"fold-{name}", train, (), test))
    return folds


def _part_name(number: int | None) -> str | None:
    return None if number is None else str(number + 1)


def _group(utterance: Utterance) -> str:
    """The speaker; if unknown the file, which may have several segments; for audio in memory the utterance itself."""
    if utterance.speaker:
        return f"speaker {utterance.speaker}"
    return f"file {utterance.audio}" if isinstance(utterance.audio, Path) else f"clip {utterance.id}"
