"""Detect leakage between the parts of a fold: shared speakers, recordings, ids or dialogues, or val equal to test.

Recordings are compared by their bytes: only files of equal size are read, and first only their beginnings. Segments of
one file are compared by their times. Limitations: the same recording in another format or at another level is not
detected. Equal texts are only counted, since different speakers say the same sentences.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np

from emosllm.corpora.overlap import check_overlap
from emosllm.errors import UserError
from emosllm.experiments.data.folds import Fold
from emosllm.utterance import Utterance

_BEGINNING = 1 << 16  # bytes that distinguish most files of equal size


def check_folds(
    folds: Sequence[Fold],
    shared_speakers: str | None = None,
    drawn_validation: str | None = None,
    dialogue: Callable[[Utterance], str | None] | None = None,
    shared_recordings: int = 0,
    scored: Literal["test", "val"] = "test",
) -> list[str]:
    """Refuse folds with leakage, whose figures would be invalid.

    Args:
        folds: of one experiment.
        shared_speakers: why speakers may be on two sides, if a published protocol shares them.
        drawn_validation: why speakers may be in train and in val, if a published protocol shares them.
        dialogue: maps a clip to its dialogue, which must be on one side; `None` does not check dialogues.
        shared_recordings: number of tested clips of a fold that its published lists also have in training; more are
            refused.
        scored: the part that is scored; `val` if the test is not used.

    Returns:
        Warnings for a reader of the figures, one sentence each: shared speakers, clips of unknown speakers.

    Raises:
        UserError: a validation set that is or overlaps the test set; an id, a recording, a dialogue or (unless allowed)
            a speaker on two sides; corpora that contain each other's clips; a clip that is tested twice.
    """
    everything = {u.id: u for fold in folds for side in _sides(fold).values() for u in side}
    check_overlap(everything.values())
    contents = contents_of(everything.values())
    for fold in folds:
        _check_validation(fold, contents)
        for pair in combinations(_sides(fold), 2):
            drawn = pair == ("train", "val") and drawn_validation is not None
            listed = pair[1] == "test" and len(_shared_test_clips(fold, contents)) <= shared_recordings
            sounds = {} if drawn or listed else contents
            _check_sides(fold, pair, sounds, drawn or shared_speakers is not None, None if drawn else dialogue)
    _check_scored_once(folds, scored)
    notes = _remarks(folds, shared_speakers, scored)
    if (
        shared_recordings
        and scored == "test"
        and (also := sum(len(_shared_test_clips(fold, contents)) for fold in folds))
    ):
        notes.append(f"Tested recordings that are also in training, as in the published lists: {also}.")
    if drawn_validation is not None:
        twice = sum(len({val for _, val in _same_recordings(fold.train, fold.val, contents)}) for fold in folds)
        notes += [f"Recordings of validation parts that are also in training, listed twice: {twice}."] if twice else []
    return notes


def _check_sides(
    fold: Fold,
    names: tuple[str, str],
    contents: Mapping[str, str],
    shared_speakers: bool,
    dialogue: Callable[[Utterance], str | None] | None,
) -> None:
    """Refuse clips, recordings, dialogues and speakers that are on both sides; `contents` may lack recordings."""
    one, other = names
    first, second = _sides(fold)[one], _sides(fold)[other]
    where = f"{fold.name}: {{what}} is in {one} and in {other}"
    if same := {u.id for u in first} & {u.id for u in second}:
        raise UserError(f"{where.format(what=f'clip {min(same)}')}; remove it from one of them")
    if pair := next(_same_recordings(first, second, contents), None):
        what = f"one recording, as {pair[0]} and as {pair[1]},"
        raise UserError(f"{where.format(what=what)}; remove one of them")
    if dialogue is not None and (split := _names_of(dialogue, first) & _names_of(dialogue, second)):
        raise UserError(f"{where.format(what=f'dialogue {min(split)}')}; correct the manifest's sessions")
    if not shared_speakers and (both := _speakers(first) & _speakers(second)):
        raise UserError(
            f"{where.format(what=f'speaker {min(both)}')}, so the figures would not measure unseen speakers; split the "
            "data again (only a published --protocol may share speakers)"
        )


def _shared_test_clips(fold: Fold, contents: Mapping[str, str]) -> set[str]:
    """The tested clips whose recordings are also in train or val."""
    sides = (fold.train, fold.val)
    return {tested for side in sides for _, tested in _same_recordings(side, fold.test, contents)}


def contents_of(utterances: Iterable[Utterance]) -> dict[str, str]:
    """Id -> a name of the recording's content; recordings with equal bytes have equal names.

    A file without an equal is named by its path. So is a missing file, which raises an error when it is loaded.
    """
    names: dict[str, str] = {}
    paths: dict[Path, list[str]] = {}
    for utterance in utterances:
        audio = utterance.audio
        if isinstance(audio, Path):
            paths.setdefault(audio, []).append(utterance.id)
        elif audio is not None:
            names[utterance.id] = _hash(audio.tobytes() if isinstance(audio, np.ndarray) else audio)
    waiting = _group_equal(paths, lambda path: path.stat().st_size if path.is_file() else None)
    for read in (_hash_beginning, _hash_file):
        waiting = [group for paths_alike in waiting for group in _group_equal(paths_alike, read)]
    alike = {path: _hash_file(group[0]) for group in waiting for path in group}
    for path, ids in paths.items():
        names |= dict.fromkeys(ids, alike.get(path, str(path)))
    return names


def _group_equal(paths: Iterable[Path], key: Callable[[Path], object]) -> list[list[Path]]:
    """The groups of two or more paths with the same key; paths with the key `None` are left out."""
    groups: dict[object, list[Path]] = {}
    for path in paths:
        if (value := key(path)) is not None:
            groups.setdefault(value, []).append(path)
    return [group for group in groups.values() if len(group) > 1]


def _hash_beginning(path: Path) -> str:
    with path.open("rb") as file:
        return _hash(file.read(_BEGINNING))


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _sides(fold: Fold) -> dict[str, tuple[Utterance, ...]]:
    return {"train": fold.train, "val": fold.val, "test": fold.test}


def _speakers(side: Sequence[Utterance]) -> set[str]:
    return {utterance.speaker for utterance in side if utterance.speaker}


def _names_of(name: Callable[[Utterance], str | None], side: Sequence[Utterance]) -> set[str]:
    return {value for utterance in side if (value := name(utterance))}


def _check_validation(fold: Fold, contents: Mapping[str, str]) -> None:
    val, test = ({utterance.id for utterance in side} for side in (fold.val, fold.test))
    if val and (val == test or _content_counts(fold.val, contents) == _content_counts(fold.test, contents)):
        raise UserError(f"{fold.name}: the validation set is the test set, so weights would be selected on the test")
    if both := val & test:
        raise UserError(
            f"{fold.name}: {len(both)} clips of the validation set are in the test set, such as {min(both)}, so "
            "weights would be selected on the test"
        )


def _content_counts(side: Sequence[Utterance], contents: Mapping[str, str]) -> Counter[tuple[str, float, float]]:
    """The contents of a side and their counts, independently of ids: recordings, or transcripts of text-only clips."""
    return Counter((contents.get(u.id, u.transcript or u.id), *_span(u)) for u in side)


def _same_recordings(
    first: Sequence[Utterance], second: Sequence[Utterance], contents: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield pairs of ids whose clips are the same recording, or overlapping segments of one."""
    spans: dict[str, list[tuple[float, float, str]]] = {}
    for utterance in first:
        if utterance.id in contents:
            spans.setdefault(contents[utterance.id], []).append((*_span(utterance), utterance.id))
    for utterance in second:
        start, end = _span(utterance)
        for low, high, clip in spans.get(contents.get(utterance.id, ""), ()):
            if max(low, start) < min(high, end):
                yield clip, utterance.id


def _span(utterance: Utterance) -> tuple[float, float]:
    return utterance.start, float("inf") if utterance.end is None else utterance.end


def _check_scored_once(folds: Sequence[Fold], scored: str) -> None:
    tested: dict[str, str] = {}
    for fold in folds:
        for utterance in _sides(fold)[scored]:
            if utterance.id in tested:
                raise UserError(
                    f"clip {utterance.id} is tested in {tested[utterance.id]} and in {fold.name}, so figures over all "
                    "folds would count it twice"
                )
            tested[utterance.id] = fold.name


def _remarks(folds: Sequence[Fold], shared_speakers: str | None, scored: str) -> list[str]:
    notes = []
    tests = [utterance for fold in folds for utterance in _sides(fold)[scored]]
    unknown = sum(utterance.speaker is None for utterance in tests)
    if unknown == len(tests):
        notes.append("The test clips name no speakers, so no check for speakers on two sides was possible.")
    elif unknown:
        notes.append(f"{unknown} of {len(tests)} test clips name no speaker, so their speakers may be on two sides.")
    repeated = sum(_repeated(fold.train, _sides(fold)[scored]) for fold in folds)
    if repeated:
        notes.append(f"{repeated} of {len(tests)} tested texts are also in training, word for word.")
    shared: set[str] = set()
    for fold in folds:
        others = [*fold.train, *(fold.val if scored == "test" else ())]
        shared |= _speakers(_sides(fold)[scored]) & _speakers(others)
    if shared:
        note = f"Speakers are on two sides of the split: {len(shared)} of the tested ones. {shared_speakers or ''}"
        notes.append(note.rstrip())
    return notes


def _repeated(train: Sequence[Utterance], tested: Sequence[Utterance]) -> int:
    """Number of tested clips without audio whose transcript is also in training, word for word."""
    trained = {utterance.transcript for utterance in train if utterance.transcript}
    return sum(utterance.audio is None and utterance.transcript in trained for utterance in tested)
