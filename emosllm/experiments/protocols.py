"""Protocols: how published figures were measured, by name, as data; counts must be right before anything is scored.

A protocol says which corpus is tested, in which classes, how the folds are made, how many clips there must be, and
which figure is the headline. Other corpora in the same manifests are learned from (their train split, or all that has
no split) and never tested. Given up: counts of corpora that grow or whose counts nobody published; that is said.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from emosllm.corpora import emobox, emospeech, iemocap
from emosllm.corpora.card import differences
from emosllm.errors import UserError
from emosllm.experiments.folds import Fold, cross_validation, leave_one_out, own_splits
from emosllm.labels import LABEL_SETS, LabelSet
from emosllm.parts import Metric
from emosllm.utterance import Utterance

#: A protocol's own utterances and its classes -> its folds.
Folds = Callable[[Sequence[Utterance], LabelSet], list[Fold]]
#: The same utterances, whether the system listens, its classes -> where they are not the whole corpus, a line each.
Counts = Callable[[Sequence[Utterance], bool, LabelSet], list[str]]


@dataclass(frozen=True)
class Protocol:
    """How a published figure was measured.

    Attributes:
        name: as the command line calls it.
        title: for people, in one line.
        corpus: the corpus that is tested.
        labels: name of the label set that is trained and scored; `None` is the recipe's.
        headline: the figure that papers compare.
        folds: makes the folds.
        counts: compares with the complete corpus.
        chooses: whether weights are chosen on its validation part.
        shared_speakers: why the same people may be on two sides; `None` where they may not.
        notes: what a reader of the figures must know.
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
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Laid:
    """A protocol's folds on given data.

    Attributes:
        folds: with what other corpora add to training.
        labels: the classes to be scored.
        notes: what a reader of the figures must know.
        partial: whether counts are wrong and that was allowed.
    """

    folds: tuple[Fold, ...]
    labels: LabelSet
    notes: tuple[str, ...]
    partial: bool


def lay_out(
    protocol: Protocol, utterances: Sequence[Utterance], labels: LabelSet, listens: bool, partial: bool = False
) -> Laid:
    """A protocol's folds.

    Args:
        protocol: which.
        utterances: of its corpus, and of others to learn from.
        labels: the recipe's, for protocols that have none.
        listens: whether the system needs recordings.
        partial: go on where counts are wrong, and say so.

    Raises:
        UserError: nothing of the corpus, wrong counts, or folds that can't be made.
    """
    classes = LABEL_SETS[protocol.labels] if protocol.labels is not None else labels
    own = [utterance for utterance in utterances if utterance.corpus == protocol.corpus]
    others = [utterance for utterance in utterances if utterance.corpus != protocol.corpus]
    if not own:
        there = ", ".join(sorted({utterance.corpus or "(none)" for utterance in utterances}))
        raise UserError(
            f"protocol {protocol.name} tests {protocol.corpus}, and the data have {there}; "
            f"`emosllm prepare {protocol.corpus} FOLDER --out MANIFEST` makes its manifest"
        )
    notes = list(protocol.notes)
    if wrong := protocol.counts(own, listens, classes):
        if not partial:
            raise UserError(f"protocol {protocol.name}: {'; '.join(wrong)}. --partial goes on, and says so")
        notes = [f"PARTIAL, not comparable with published figures: {line}." for line in wrong] + notes
    extra = tuple(utterance for utterance in others if utterance.split in ("train", None))
    if extra:
        counts = ", ".join(f"{n} of {name or 'no name'}" for name, n in Counter(u.corpus for u in extra).items())
        notes.append(f"Other corpora are learned from, too: {counts}.")
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
    return Laid(widened, classes, tuple(notes), bool(wrong))


def _common(own: Sequence[Utterance], extra: Sequence[Utterance], labels: LabelSet) -> LabelSet:
    """The classes that occur in the tested corpus, and where others are learned from in one of these."""
    tested = {labels.classify(utterance.emotion) for utterance in own} - {None}
    learned = {labels.classify(utterance.emotion) for utterance in extra} - {None}
    return labels.only(name for name in labels.names if name in tested and (not learned or name in learned))


def find_protocol(name: str) -> Protocol:
    """The protocol of a name; `emobox:CORPUS` and `cross-corpus:CORPUS` are made for their corpus.

    Raises:
        UserError: there is none, or it needs a corpus.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    kind, _, corpus = name.partition(":")
    if kind in MADE and corpus:
        return MADE[kind](corpus)
    known = ", ".join([*PROTOCOLS, *(f"{kind}:CORPUS" for kind in MADE)])
    raise UserError(f"unknown protocol {name!r}: known are {known}")


def _official(utterances: Sequence[Utterance], labels: LabelSet) -> list[Fold]:
    return [own_splits(utterances, labels, name="official")]


def _no_counts(*_: object) -> list[str]:
    return []


def _iemocap_counts(utterances: Sequence[Utterance], *_: object) -> list[str]:
    """The four classes and the sessions alone: a manifest may hold the other emotions or not."""
    return differences(replace(iemocap.CARD, expected=None, emotions={}), utterances)


def _meld_counts(utterances: Sequence[Utterance], listens: bool, _: LabelSet) -> list[str]:
    """Two clips are broken as published, one of train and one of val; systems that listen may lack them."""
    found = Counter(utterance.split for utterance in utterances)
    right = {"train": {9989}, "val": {1109}, "test": {2610}}
    if listens:
        right = {"train": {9988, 9989}, "val": {1108, 1109}, "test": {2610}}
    wrong = [f"{split} {found[split]} (complete: {max(n)})" for split, n in right.items() if found[split] not in n]  # type: ignore[index]
    return [f"MELD: splits: {', '.join(wrong)}"] if wrong else []


def _emospeech_counts(*splits: str) -> Counts:
    wanted = {split: emospeech.CARD.splits[split] for split in splits}
    card = replace(emospeech.CARD, expected=None, splits=wanted)
    return lambda utterances, *_: differences(card, utterances)


def _emospeech_folds(utterances: Sequence[Utterance], labels: LabelSet) -> list[Fold]:
    return cross_validation([utterance for utterance in utterances if utterance.split == "train"], labels, 5)


def _emospeech_test(utterances: Sequence[Utterance], labels: LabelSet) -> list[Fold]:
    if not any(utterance.emotion for utterance in utterances if utterance.split == "test"):
        raise UserError(
            "EmoSPeech: the test clips have no labels, so nothing can be scored; give the table with labels"
        )
    return _official(utterances, labels)


def _emobox(corpus: str) -> Protocol:
    """EmoBox's lists of one corpus; each manifest is one fold."""
    if corpus not in emobox.CORPORA:
        raise UserError(f"EmoBox has no corpus {corpus!r}: known are {', '.join(emobox.CORPORA)}")
    shared = corpus in emobox.SHARED_SPEAKERS
    return Protocol(
        name=f"emobox:{corpus}",
        title=f"EmoBox's folds of {corpus}",
        corpus=emobox.our_name(corpus),
        labels=None,
        headline="ua",
        folds=_official,
        counts=lambda utterances, _, labels: _emobox_counts(corpus, utterances, labels),
        shared_speakers="EmoBox's published lists have them so." if shared else None,
        notes=("EmoBox's random validation part is not rebuilt: the last weights are taken.",),
    )


def _emobox_counts(corpus: str, utterances: Sequence[Utterance], labels: LabelSet) -> list[str]:
    """The list's count, and that none of its classes is unknown to the system."""
    strange = Counter(u.emotion for u in utterances if u.emotion and labels.classify(u.emotion) is None)
    said = ", ".join(f"{count} {name}" for name, count in strange.items())
    lacking = [f"label set {labels.name} has no class for {said} of EmoBox's lists"] if strange else []
    return differences(emobox.card(corpus), utterances) + lacking


def _cross_corpus(corpus: str) -> Protocol:
    return Protocol(
        name=f"cross-corpus:{corpus}",
        title=f"learned from other corpora, tested on {corpus}",
        corpus=corpus,
        labels=None,
        headline="ua",
        folds=lambda utterances, labels: [_only_tested(utterances, labels)],
        counts=_no_counts,
        chooses=True,
        notes=(f"All of {corpus} is tested, or its test split where it has one; nothing of it is learned from.",),
    )


def _only_tested(utterances: Sequence[Utterance], labels: LabelSet) -> Fold:
    split = {u.split for u in utterances} >= {"test"}
    kept = tuple(u for u in utterances if labels.classify(u.emotion) and (not split or u.split == "test"))
    if not kept:
        raise UserError(f"no clip of the tested corpus has one of the emotions {', '.join(labels.names)}")
    return Fold("cross-corpus", (), (), kept)


_MSP = "The corpus grows with every release and no count is checked: name the release beside each figure."
_LOSO = "No validation part: the last weights of each training are taken."

#: Protocols by name.
PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol("msp-podcast", "MSP-Podcast, Test1, nine classes", "msp_podcast", "msp9", "macro_f1", _official,
                     _no_counts, chooses=True, notes=(_MSP,)),
            Protocol("msp-podcast-8", "MSP-Podcast, Test1, eight classes", "msp_podcast", "msp8", "macro_f1",
                     _official, _no_counts, chooses=True, notes=(_MSP,)),
            Protocol("iemocap-loso", "IEMOCAP, four classes, one session left out at a time", "iemocap", "iemocap4",
                     "ua", lambda found, labels: leave_one_out(found, labels, "session"), _iemocap_counts,
                     notes=(_LOSO,)),
            Protocol("iemocap-speakers", "IEMOCAP, four classes, one of ten speakers left out at a time", "iemocap",
                     "iemocap4", "ua", lambda found, labels: leave_one_out(found, labels, "speaker"), _iemocap_counts,
                     notes=(_LOSO, "The other half of each tested dialogue is in training.")),
            Protocol("meld", "MELD, official splits, seven classes", "meld", "ekman7", "weighted_f1", _official,
                     _meld_counts, chooses=True,
                     shared_speakers="MELD's official splits have them so: the six main characters are in all three."),
            Protocol("emospeech-cv", "EmoSPeech 2024, five stratified folds of the training clips", "emospeech",
                     "ekman6", "macro_f1", _emospeech_folds, _emospeech_counts("train"),
                     notes=("The division is ours: the one that papers used is not published.",)),
            Protocol("emospeech", "EmoSPeech 2024, official test", "emospeech", "ekman6", "macro_f1", _emospeech_test,
                     _emospeech_counts("train", "test")),
            Protocol("lssed", "LSSED, its own splits, four classes", "lssed", "iemocap4", "ua", _official, _no_counts,
                     chooses=True, notes=("The counts of its splits are not published and are not checked.",)),
        )
    }
)  # fmt: skip

#: Protocols that are made for a corpus: kind -> maker.
MADE: Mapping[str, Callable[[str], Protocol]] = MappingProxyType({"emobox": _emobox, "cross-corpus": _cross_corpus})
