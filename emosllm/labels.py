"""Emotion vocabulary of all corpora, and the label sets of the systems.

A corpus writes `anger`, `ANG` or `W`; the package uses `angry`. A *label set* defines the classes that a system may
answer with, their letters, and which other emotions it merges into them (calm into neutral, excited into happy). An
emotion that is not in the set is left out of training and scoring with that set, and counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from emosllm.errors import UserError, did_you_mean

# Letters of MSP-Podcast (EmoSLLM, appendix B.1); X, "no agreement", is never a class.
LETTERS: Mapping[str, str] = MappingProxyType(
    {
        "angry": "A",
        "sad": "S",
        "happy": "H",
        "surprise": "U",
        "fear": "F",
        "disgust": "D",
        "contempt": "C",
        "neutral": "N",
        "other": "O",
    }
)

# Emotions that some corpora distinguish and most label sets merge or leave out.
FINER = (
    "calm", "excited", "frustrated", "bored", "amused", "anxious", "apologetic", "assertive", "concerned",
    "disappointed", "encouraging", "enthusiastic", "pained", "pleased", "poker_faced", "sarcastic", "sleepy", "worried",
)  # fmt: skip

_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "angry": ("anger", "ang", "mad"),
    "sad": ("sadness", "sorrow"),
    "happy": ("happiness", "hap", "joy", "joyful"),
    "surprise": ("surprised", "sur", "pleasant_surprise", "pleasant_surprised", "ps"),
    "fear": ("fearful", "fea", "scared", "anxiety"),
    "disgust": ("disgusted", "dis"),
    "contempt": ("contemptuous",),
    "neutral": ("neu", "normal"),
    "other": ("oth",),
    "calm": ("calmness",),
    "excited": ("exc", "excitement"),
    "frustrated": ("fru", "frustration"),
    "bored": ("boredom",),
}
_NAME_OF = {name: name for name in FINER} | {word: name for name, ws in _SYNONYMS.items() for word in (name, *ws)}
_NAME_OF_LETTER = {letter: name for name, letter in LETTERS.items()}

#: A class that some systems may answer with; it is always wrong, because no reference has it.
UNKNOWN = "unknown"

#: Words for a missing label: no agreement between raters, or an empty cell.
UNLABELLED = ("", "x", "xxx", "no_agreement", UNKNOWN)


def emotion_name(word: str) -> str | None:
    """Convert a corpus's word or an MSP-Podcast letter to the vocabulary's name of the emotion.

    Args:
        word: such as `Anger`, `ANG`, `happiness`, `A`.

    Returns:
        The name (`angry`), or `None` for a missing label (`X`, `xxx`, empty).

    Raises:
        UserError: the word is not known.
    """
    if word in _NAME_OF_LETTER:
        return _NAME_OF_LETTER[word]
    key = word.strip().lower().replace(" ", "_").replace("-", "_")
    if key in UNLABELLED:
        return None
    if key not in _NAME_OF:
        raise UserError(
            f"unknown emotion {word!r}{did_you_mean(key, _NAME_OF)}: known are {', '.join(LETTERS)} (by common words, "
            f"or by the letters {' '.join(_NAME_OF_LETTER)}), and finer ones such as {', '.join(FINER[:4])}"
        )
    return _NAME_OF[key]


def words_of_emotion(name: str) -> tuple[str, ...]:
    """Return the known words for an emotion of the vocabulary, its name first."""
    return (name, *(word.replace("_", " ") for word in _SYNONYMS.get(name, ())))


@dataclass(frozen=True)
class LabelSet:
    """The classes a system may answer with, in a fixed order.

    Attributes:
        name: the set's name in recipes and on the command line.
        names: the emotions, in the order of every table, matrix and probability vector; `UNKNOWN` may be among them.
        merges: other emotions of the vocabulary that count as one of `names`, never as `UNKNOWN`.
    """

    name: str
    names: tuple[str, ...]
    merges: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        strays = {*self.names, *self.merges} - {*LETTERS, *FINER, UNKNOWN}
        strays |= set(self.merges.values()) - set(self.names) | {UNKNOWN} & {*self.merges, *self.merges.values()}
        assert not strays, (self.name, strays)
        assert len(set(self.names)) == len(self.names), self.name

    @property
    def letters(self) -> tuple[str, ...]:
        """The one-letter codes of `names`, in the same order."""
        return tuple(LETTERS[name] for name in self.names)

    def classify(self, emotion: str | None) -> str | None:
        """Return the class of an emotion of the vocabulary, or `None` if this set has no class for it."""
        merged = self.merges.get(emotion or "", emotion)
        return merged if merged in self.names else None

    def only(self, names: Iterable[str]) -> "LabelSet":
        """Return a label set with only the given classes, in this set's order, with the merges into them.

        Raises:
            UserError: a name is not a class of this set.
        """
        wanted = [emotion_name(name) or name for name in names]
        unknown = [name for name in wanted if name not in self.names]
        if unknown:
            raise UserError(
                f"label set {self.name!r} has no {', '.join(unknown)}; it can answer {', '.join(self.names)}"
            )
        merges = {finer: name for finer, name in self.merges.items() if name in wanted}
        return LabelSet(self.name, tuple(name for name in self.names if name in wanted), merges)


_CALM = {"calm": "neutral"}
_EXCITED = {"excited": "happy"}
# In the order of emotion2vec's own head, which has a class for emotions outside the others.
_EMOTION2VEC = ("angry", "disgust", "fear", "happy", "neutral", "other", "sad", "surprise", UNKNOWN)
_SEVEN = ("angry", "sad", "happy", "surprise", "fear", "disgust", "neutral")
_SIX = "angry disgust fear happy neutral sad"

# The classes of EmoBox's 32 corpora, as the label maps of its repository (March 2025) have them, without X and unknown;
# `emobox_TESS` in lower case is the set of one. IEMOCAP's map merges excited into happy, the others merge nothing.
_EMOBOX: Mapping[str, str] = {
    "aesdd": "angry disgust fear happy sad",
    "ased": "angry fear happy neutral sad",
    "asvpesd": f"{_SIX} surprise bored disappointed excited pained pleased other",
    "cafe": f"{_SIX} surprise",
    "casia": "angry fear happy neutral sad surprise",
    "cremad": _SIX,
    "emns": "angry disgust excited happy neutral sad sarcastic surprise",
    "emodb": f"{_SIX} bored",
    "emovdb": "amused angry disgust neutral sleepy",
    "emovo": f"{_SIX} surprise",
    "emozionalmente": f"{_SIX} surprise",
    "enterface": "angry disgust fear happy sad surprise",
    "esd": "angry happy neutral sad surprise",
    "iemocap": "angry happy neutral sad",
    "jlcorpus": "angry anxious apologetic assertive concerned encouraging excited happy neutral sad",
    "m3ed": f"{_SIX} surprise",
    "mead": f"{_SIX} surprise contempt",
    "meld": f"{_SIX} surprise",
    "mer2023": "angry happy neutral sad surprise worried",
    "mesd": _SIX,
    "msppodcast": f"{_SIX} surprise contempt other",
    "oreau": f"{_SIX} surprise",
    "pavoque": "angry happy neutral poker_faced sad",
    "polish": "angry fear neutral",
    "ravdess": f"{_SIX} surprise calm",
    "resd": f"{_SIX} enthusiastic",
    "savee": f"{_SIX} surprise",
    "shemo": "angry fear happy neutral sad surprise",
    "subesco": f"{_SIX} surprise",
    "tess": f"{_SIX} surprise",
    "turevdb": "angry calm happy sad",
    "urdu": "angry happy neutral sad",
}

#: Label sets by name. A recipe names one; `emosllm evaluate --labels` can narrow it.
LABEL_SETS: Mapping[str, LabelSet] = MappingProxyType(
    {
        label_set.name: label_set
        for label_set in (
            LabelSet("msp9", tuple(LETTERS), _CALM | _EXCITED),
            LabelSet("msp8", tuple(LETTERS)[:-1], _CALM | _EXCITED),
            LabelSet("ekman7", _SEVEN, _CALM | _EXCITED),
            LabelSet("ekman6", ("angry", "disgust", "fear", "happy", "neutral", "sad"), _CALM | _EXCITED),
            LabelSet("iemocap4", ("angry", "happy", "neutral", "sad"), _EXCITED),
            LabelSet("ravdess8", (*_SEVEN, "calm")),
            LabelSet("emotion2vec9", _EMOTION2VEC, _CALM | _EXCITED),
            *(
                LabelSet(f"emobox_{corpus}", tuple(names.split()), _EXCITED if corpus == "iemocap" else {})
                for corpus, names in _EMOBOX.items()
            ),
        )
    }
)


def label_set(name: str) -> LabelSet:
    """Return the label set with the given name.

    Raises:
        UserError: the name is unknown.
    """
    if name not in LABEL_SETS:
        ours = [known for known in LABEL_SETS if not known.startswith("emobox_")]
        raise UserError(f"unknown label set {name!r}: known are {', '.join(ours)} and emobox_CORPUS (emobox_tess)")
    return LABEL_SETS[name]
