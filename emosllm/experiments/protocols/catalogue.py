"""The catalogue of protocols: how published figures were measured, with checks of the numbers of clips.

A protocol defines the tested corpus, the classes, the folds, the numbers of clips and the headline figure. Limitation:
corpora that grow, or whose numbers of clips are not published, have no such check; the notes say so.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from emosllm.corpora.card import differences
from emosllm.corpora.readers import emobox, emospeech, iemocap
from emosllm.errors import UserError
from emosllm.experiments.data.folds import Fold, cross_validation, leave_one_out, own_splits
from emosllm.experiments.protocols.protocol import Counts, Protocol
from emosllm.labels import LabelSet
from emosllm.utterance import Utterance

_TURN = re.compile(r"(Ses0[1-5][FM]_\w+)_[FM]\w*\d$")  # group 1 is the dialogue in the name of an IEMOCAP turn


def find_protocol(name: str) -> Protocol:
    """Find a protocol by name; `emobox:CORPUS` and `cross-corpus:CORPUS` are created for their corpus.

    Raises:
        UserError: there is no such protocol, or it needs a corpus.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    kind, _, corpus = name.partition(":")
    if kind in MADE and corpus:
        return MADE[kind](corpus)
    known = ", ".join([*PROTOCOLS, *(f"{kind}:CORPUS" for kind in MADE)])
    raise UserError(f"unknown protocol {name!r}: known are {known}")


def _official_folds(utterances: Sequence[Utterance], labels: LabelSet) -> list[Fold]:
    return [own_splits(utterances, labels, name="official")]


def _no_counts(*_: object) -> list[str]:
    return []


def _iemocap_counts(utterances: Sequence[Utterance], *_: object) -> list[str]:
    """Check the four classes and the sessions only: a manifest may contain the other emotions or not."""
    return differences(replace(iemocap.CARD, expected=None, emotions={}), utterances)


def _meld_counts(utterances: Sequence[Utterance], has_audio: bool, _: LabelSet) -> list[str]:
    """Check the numbers; two clips, one of train and one of val, are broken as published and may be missing."""
    found = Counter(utterance.split for utterance in utterances)
    right = {"train": {9989}, "val": {1109}, "test": {2610}}
    if has_audio:
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
    return _official_folds(utterances, labels)


def _emobox(corpus: str) -> Protocol:
    """EmoBox's lists for one corpus; each manifest is one fold."""
    if corpus not in emobox.CORPORA:
        raise UserError(f"EmoBox has no corpus {corpus!r}: known are {', '.join(emobox.CORPORA)}")
    shared = corpus in emobox.SHARED_SPEAKERS
    return Protocol(
        name=f"emobox:{corpus}",
        title=f"EmoBox's folds of {corpus}",
        corpus=emobox.corpus_value(corpus),
        labels=f"emobox_{corpus}",
        headline="ua",
        folds=_emobox_folds,
        counts=lambda utterances, _, labels: _emobox_counts(corpus, utterances, labels),
        chooses=True,
        shared_speakers="EmoBox's published lists have them so." if shared else None,
        drawn_validation=None if corpus in emobox.OFFICIAL_VALIDATION else _DRAWN,
        shared_recordings=emobox.SHARED_RECORDINGS.get(corpus, 0),
        narrows=True,
        notes=() if corpus in emobox.OFFICIAL_VALIDATION else (_DRAWN,),
    )


def _emobox_folds(utterances: Sequence[Utterance], labels: LabelSet) -> list[Fold]:
    """The published lists; if there is no validation list, it is drawn from the training list."""
    fold = _official_folds(utterances, labels)[0]
    if any(utterance.split == "val" for utterance in utterances):
        return [fold]
    train, val = emobox.draw_validation(fold.train)
    return [replace(fold, train=train, val=tuple(u for u in val if labels.classify(u.emotion)))]


def _emobox_counts(corpus: str, utterances: Sequence[Utterance], labels: LabelSet) -> list[str]:
    """Check the list's number of clips, and that the system has all its classes."""
    unknown = Counter(u.emotion for u in utterances if u.emotion and labels.classify(u.emotion) is None)
    listed = ", ".join(f"{count} {name}" for name, count in unknown.items())
    lacking = [f"label set {labels.name} has no class for {listed} of EmoBox's lists"] if unknown else []
    return differences(emobox.card(corpus), utterances) + lacking


def _cross_corpus(corpus: str) -> Protocol:
    return Protocol(
        name=f"cross-corpus:{corpus}",
        title=f"trained on other corpora, tested on {corpus}",
        corpus=corpus,
        labels=None,
        headline="ua",
        folds=lambda utterances, labels: [_test_only_fold(utterances, labels)],
        counts=_no_counts,
        chooses=True,
        notes=(f"All of {corpus} is tested, or only its test split if it has one. None of it is in training.",),
    )


def _test_only_fold(utterances: Sequence[Utterance], labels: LabelSet) -> Fold:
    split = {u.split for u in utterances} >= {"test"}
    kept = tuple(u for u in utterances if labels.classify(u.emotion) and (not split or u.split == "test"))
    if not kept:
        raise UserError(f"no clip of the tested corpus has one of the emotions {', '.join(labels.names)}")
    return Fold("cross-corpus", (), (), kept)


def _iemocap_dialogue(utterance: Utterance) -> str | None:
    """The dialogue `Ses01F_impro01` of the turn `Ses01F_impro01_F000`; `None` for other names."""
    found = _TURN.search(utterance.id)
    return found and found[1]


_DRAWN = (
    "EmoBox has no validation list here: a fifth of the clips of the training list is drawn as its recipe intends "
    f"(Python's generator, seed {emobox.VALIDATION_SEED}), not by speaker. The split of its benchmark is not published."
)
_MSP = "The corpus grows with every release and no count is checked: name the release beside each figure."
_LOSO = "No validation part: the last weights of each training are taken."

#: Protocols by name.
PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol("msp-podcast", "MSP-Podcast, Test1, nine classes", "msp_podcast", "msp9", "macro_f1",
                     _official_folds, _no_counts, chooses=True, notes=(_MSP,)),
            Protocol("msp-podcast-8", "MSP-Podcast, Test1, eight classes", "msp_podcast", "msp8", "macro_f1",
                     _official_folds, _no_counts, chooses=True, notes=(_MSP,)),
            Protocol("iemocap-loso", "IEMOCAP, four classes, one session left out at a time", "iemocap", "iemocap4",
                     "ua", lambda found, labels: leave_one_out(found, labels, "session"), _iemocap_counts,
                     dialogue=_iemocap_dialogue, notes=(_LOSO,)),
            Protocol("iemocap-speakers", "IEMOCAP, four classes, one of ten speakers left out at a time", "iemocap",
                     "iemocap4", "ua", lambda found, labels: leave_one_out(found, labels, "speaker"), _iemocap_counts,
                     notes=(_LOSO, "The other half of each tested dialogue is in training.")),
            Protocol("meld", "MELD, official splits, seven classes", "meld", "ekman7", "weighted_f1", _official_folds,
                     _meld_counts, chooses=True,
                     shared_speakers="MELD's official splits have them so: the six main characters are in all three."),
            Protocol("emospeech-cv", "EmoSPeech 2024, five stratified folds of the training clips", "emospeech",
                     "ekman6", "macro_f1", _emospeech_folds, _emospeech_counts("train"),
                     notes=("The division is ours: the one that papers used is not published.",)),
            Protocol("emospeech", "EmoSPeech 2024, official test", "emospeech", "ekman6", "macro_f1", _emospeech_test,
                     _emospeech_counts("train", "test")),
            Protocol("lssed", "LSSED, its own splits, four classes", "lssed", "iemocap4", "ua", _official_folds,
                     _no_counts, chooses=True,
                     notes=("The counts of its splits are not published and are not checked.",)),
        )
    }
)  # fmt: skip

#: Protocols that are created for a corpus: kind -> function.
MADE: Mapping[str, Callable[[str], Protocol]] = MappingProxyType({"emobox": _emobox, "cross-corpus": _cross_corpus})
