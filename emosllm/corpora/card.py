"""A corpus's card: origin, licence, citation, layout and the counts of the complete corpus.

Every reader has one. The counts come from papers or from the complete files. A corpus that grows, or without published
counts, has none. Limitation: there are no checksums, because the authors publish none.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from emosllm.labels import LABEL_SETS
from emosllm.utterance import Utterance


@dataclass(frozen=True, slots=True)
class Card:
    """Facts about a corpus that are known without reading its files.

    Attributes:
        title: the corpus's name, as its authors write it.
        layout: content of its folder, for messages.
        origin: where to request or download it.
        licence: permitted use.
        citation: the paper to cite.
        expected: utterances of the complete corpus, as its reader returns them; `None` if the number is unknown.
        splits: utterances of `train`, `val` and `test`, if the corpus has splits of its own.
        emotions: utterances of each emotion, by its name in `emosllm.labels`.
        classes: label set -> class -> utterances, if papers state the counts after merging (IEMOCAP).
        sessions: label set -> session -> utterances, for protocols that leave out one session at a time.
        speakers: number of speakers; 0 if the corpus does not identify them, `None` if the number is unknown.
        scales: `valence`, `arousal`, `dominance` -> lowest and highest value of the raters' scale.
        notes: caveats for the interpretation of results, one sentence each.
    """

    title: str
    layout: str
    origin: str
    licence: str
    citation: str
    expected: int | None = None
    splits: Mapping[str, int] = field(default_factory=dict)
    emotions: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sessions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    speakers: int | None = None
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def differences(card: Card, utterances: Sequence[Utterance]) -> list[str]:
    """List the counts that differ from the complete corpus, one line per kind of count; empty if all agree."""
    return [f"{card.title}: {line}; scores will not compare" for line in _differences(card, utterances)]


def _differences(card: Card, utterances: Sequence[Utterance]) -> Iterator[str]:
    if card.expected not in (None, len(utterances)):
        yield f"{len(utterances)} utterances, the complete corpus has {card.expected}"
    speakers = {utterance.speaker for utterance in utterances} - {None}
    if card.speakers not in (None, len(speakers)):
        yield f"{len(speakers)} speakers, the complete corpus has {card.speakers}"
    yield from _wrong_counts("splits", card.splits, Counter(utterance.split for utterance in utterances))
    yield from _wrong_counts("emotions", card.emotions, Counter(utterance.emotion for utterance in utterances))
    for name, classes in card.classes.items():
        found = Counter(LABEL_SETS[name].classify(utterance.emotion) for utterance in utterances)
        yield from _wrong_counts(f"classes of {name}", classes, found)
    for name, sessions in card.sessions.items():
        kept = [utterance for utterance in utterances if LABEL_SETS[name].classify(utterance.emotion)]
        yield from _wrong_counts(f"sessions with {name}", sessions, Counter(utterance.session for utterance in kept))


def _wrong_counts(what: str, expected: Mapping[str, int], found: Mapping[str | None, int]) -> Iterator[str]:
    pairs = [(name, found.get(name, 0), count) for name, count in expected.items()]
    wrong = ", ".join(f"{name} {here} (complete: {count})" for name, here, count in pairs if here != count)
    if wrong:
        yield f"{what}: {wrong}"
