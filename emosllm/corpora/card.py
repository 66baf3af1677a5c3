"""A corpus's card: origin, licence, citation, layout and the counts of the complete corpus, as data.

Every reader states one. Counts are those that papers print or that were counted in the complete files; a corpus that
grows, or whose counts nobody published, states none. Gives up checksums: the authors publish none.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from emosllm.labels import LABEL_SETS
from emosllm.utterance import Utterance


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a corpus before a file of it is read.

    Attributes:
        title: its name, as its authors write it.
        layout: what lies in its folder, for messages.
        origin: where to ask for it or to get it.
        licence: what may be done with it.
        citation: the paper to cite.
        expected: utterances of the complete corpus, as its reader returns them; `None` where no number is known.
        splits: utterances of `train`, `val` and `test`, where the corpus has splits of its own.
        emotions: utterances by the house's name of the emotion.
        classes: label set -> class -> utterances, where papers state the counts after merging (IEMOCAP).
        sessions: label set -> session -> utterances, where one session at a time is left out.
        speakers: how many; 0 where the corpus names none, `None` where no number is known.
        scales: `valence`, `arousal`, `dominance` -> the lowest and the highest value that raters could give.
        notes: what a user should know before the figures are trusted, one sentence each.
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
    """Where the utterances are not the complete corpus, one line a kind of count; empty where all counts are right."""
    return [f"{card.title}: {line}; scores will not compare" for line in _differences(card, utterances)]


def _differences(card: Card, utterances: Sequence[Utterance]) -> Iterator[str]:
    if card.expected not in (None, len(utterances)):
        yield f"{len(utterances)} utterances, the complete corpus has {card.expected}"
    speakers = {utterance.speaker for utterance in utterances} - {None}
    if card.speakers not in (None, len(speakers)):
        yield f"{len(speakers)} speakers, the complete corpus has {card.speakers}"
    yield from _wrong("splits", card.splits, Counter(utterance.split for utterance in utterances))
    yield from _wrong("emotions", card.emotions, Counter(utterance.emotion for utterance in utterances))
    for name, classes in card.classes.items():
        found = Counter(LABEL_SETS[name].classify(utterance.emotion) for utterance in utterances)
        yield from _wrong(f"classes of {name}", classes, found)
    for name, sessions in card.sessions.items():
        kept = [utterance for utterance in utterances if LABEL_SETS[name].classify(utterance.emotion)]
        yield from _wrong(f"sessions with {name}", sessions, Counter(utterance.session for utterance in kept))


def _wrong(what: str, expected: Mapping[str, int], found: Mapping[str | None, int]) -> Iterator[str]:
    pairs = [(name, found.get(name, 0), count) for name, count in expected.items()]
    wrong = ", ".join(f"{name} {here} (complete: {count})" for name, here, count in pairs if here != count)
    if wrong:
        yield f"{what}: {wrong}"
