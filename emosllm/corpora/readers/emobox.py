"""EmoBox: the folds of 32 corpora, as splits.

This reads `data/<corpus>/fold_<n>/` of the EmoBox repository. The recordings are those of the corpus, laid out below
`downloads` as in the lists. Speakers come from the `.stm` files. For IEMOCAP these contain the session, so the speaker
is read from the turn. For four corpora they contain files or genders, or do not exist, so the utterances have no
speaker. There is a split `val` if EmoBox has an official validation list. Otherwise `draw_validation` divides the
training list, as EmoBox's recipe describes it.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import check_folder, missing_corpus_error
from emosllm.corpora.tables import UniqueNames, emotion_in, read_text
from emosllm.errors import UserError
from emosllm.labels import LabelSet, emotion_name
from emosllm.utterance import Split, Utterance

CARD = Card(
    title="EmoBox",
    layout="data/<corpus>/fold_1/<corpus>_train_fold_1.jsonl, data/<corpus>/label_map.json (a clone of the repository) "
    "and downloads/<corpus>/... with the recordings",
    origin="https://github.com/emo-box/EmoBox",
    licence="MIT for the lists; each corpus keeps its own licence",
    citation="Ma, Chen, Zhang, Zheng, Chen, Li, Ye, Chen and Hain (2024), EmoBox: Multilingual Multi-corpus Speech "
    "Emotion Recognition Toolkit and Benchmark, Interspeech",
    notes=(
        "Its MSP-Podcast lists keep X (no agreement) and O (other): X has no label here.",
        "Half of its corpora have the same speakers in train and test: see `SHARED_SPEAKERS`.",
        "This card describes the lists only. Cite the corpus too, and observe its licence.",
    ),
)

#: Corpus -> language (ISO 639-1; `None` if there are several) and number of utterances, from EmoBox's table of corpora.
CORPORA: dict[str, tuple[str | None, int]] = {
    "aesdd": ("el", 604), "ased": ("am", 2474), "asvpesd": (None, 13964), "cafe": ("fr", 936), "casia": ("zh", 1200),
    "cremad": ("en", 7442), "emns": ("en", 1181), "emodb": ("de", 535), "emovdb": ("en", 6887), "emovo": ("it", 588),
    "emozionalmente": ("it", 6902), "enterface": ("en", 1263), "esd": (None, 35000), "iemocap": ("en", 5531),
    "jlcorpus": ("en", 2400), "m3ed": ("zh", 24437), "mead": ("en", 31729), "meld": ("en", 13706),
    "mer2023": ("zh", 5030), "mesd": ("es", 862), "msppodcast": ("en", 73042), "oreau": ("fr", 434),
    "pavoque": ("de", 7334), "polish": ("pl", 450), "ravdess": ("en", 1440), "resd": ("ru", 1396), "savee": ("en", 480),
    "shemo": ("fa", 2838), "subesco": ("bn", 7000), "tess": ("en", 2800), "turevdb": ("tr", 1735), "urdu": ("ur", 400),
}  # fmt: skip
# EmoBox's names of corpora that have a reader here. A clip has the same `corpus` from either reader.
_OUR_NAME = {"cremad": "crema_d", "msppodcast": "msp_podcast"}
# EMOVO has no label map.
_WORDS = {
    "emovo": {"gio": "happy", "dis": "disgust", "pau": "fear", "rab": "angry", "sor": "surprise", "tri": "sad",
              "neu": "neutral"},
}  # fmt: skip
# Labels of the maps that `emosllm.labels` does not know.
_NAMES = {
    "pleasure": "pleased", "pain, groan": "pained", "breath": "other", "disappointment, disapproval": "disappointed",
    "poker": "poker_faced",
}  # fmt: skip
#: Corpora whose lists have the same speakers in train and test, counted in the lists of March 2025. For `mer2023`,
#: `mesd`, `msppodcast` and `resd` it is unknown.
SHARED_SPEAKERS = frozenset({
    "aesdd", "ased", "asvpesd", "cremad", "emns", "emodb", "emovdb", "emozionalmente", "enterface", "meld", "oreau",
    "pavoque", "shemo", "tess", "turevdb", "urdu",
})  # fmt: skip
#: Corpus -> number of test recordings that are in training too: PAVOQUE's outtakes, with another emotion.
SHARED_RECORDINGS = {"pavoque": 70}
#: Corpora with an official validation list.
OFFICIAL_VALIDATION = frozenset({"m3ed", "meld", "msppodcast"})
#: EmoBox's recipe (`examples/sb`, all twelve parameter files): the seed of its draw, and the share of training.
VALIDATION_SEED, TRAINED_SHARE = 1993, 0.8
# Corpora whose `.stm` does not exist, or has something else in the place of the speaker.
_NO_SPEAKERS = ("mer2023", "mesd", "resd", "msppodcast")
_TURN = re.compile(r"Ses0([1-5])[FM]_\w+_([FM])\d+")
_STM = re.compile(r"(?P<key>\S+) .*<id=.*,spk=(?P<speaker>.+?),emotion=")


def read(root: Path, corpus: str, fold: int = 1, audio: Path | None = None, test: str = "test") -> list[Utterance]:
    """Read one fold of one corpus: `train`, `val` if EmoBox has an official one, `test`.

    Args:
        root: the repository, or its folder `data`.
        corpus: EmoBox's name for it, such as `iemocap`.
        fold: from 1.
        audio: the folder in place of `downloads`, which is the default.
        test: the test list, if there are several (`test1`, `test2`, `test3` of MER2023).

    Raises:
        UserError: there is no such corpus or fold, a line is broken, an emotion is unknown, or an utterance occurs
            twice.
    """
    check_folder(root, CARD)
    data = _data_folder(root)
    if not any((data / name).is_dir() for name in CORPORA):
        raise missing_corpus_error(root, CARD)
    if corpus not in CORPORA or not (data / corpus).is_dir():
        there = ", ".join(name for name in CORPORA if (data / name).is_dir())
        raise UserError(f"EmoBox has no corpus {corpus!r} in {data}: there are {there or 'none'}")
    folder = data / corpus / f"fold_{fold}"
    if not folder.is_dir():
        folds = sorted(path.name.removeprefix("fold_") for path in (data / corpus).glob("fold_*"))
        raise UserError(f"EmoBox has no fold {fold} of {corpus} in {data}: there are {', '.join(folds) or 'none'}")
    speakers = _speakers(data / corpus / "data.seg.wrd.stm", corpus)
    classes = _label_map(data / corpus, corpus)
    downloads = audio or data.parent / "downloads"
    lists: tuple[tuple[Split, str], ...] = (("train", "train"), ("val", "valid"), ("test", test))
    seen = UniqueNames()
    found: list[Utterance] = []
    for split, kind in lists:
        path = folder / f"{corpus}_{kind}_fold_{fold}.jsonl"
        if not path.is_file() and split != "val":
            raise missing_corpus_error(root, CARD, f", {corpus}, fold {fold}, {kind}")
        before = len(found)
        for number, entry in _lines(path) if path.is_file() else ():
            seen.add(str(entry["key"]), path, number)
            found.append(_utterance(path, number, entry, corpus, split, downloads, classes, speakers))
        if path.is_file() and len(found) == before:
            raise UserError(f"{path} is empty: download the repository again, with its large files")
    return found


def card(corpus: str) -> Card:
    """Return the card of one corpus of the lists, with its count. MER2023, with several test lists, has no count."""
    if corpus not in CORPORA:
        return CARD
    expected = None if corpus == "mer2023" else CORPORA[corpus][1]
    return replace(CARD, title=f"EmoBox {corpus}", expected=expected)


def label_set(root: Path, corpus: str) -> LabelSet:
    """Return the classes that EmoBox scores for a corpus, in the order of its `label_map.json`, without X."""
    classes = dict.fromkeys(name for name in _label_map(_data_folder(root) / corpus, corpus).values() if name)
    return LabelSet(f"emobox_{corpus}", tuple(classes))


def draw_validation(train: Sequence[Utterance]) -> tuple[tuple[Utterance, ...], tuple[Utterance, ...]]:
    """Divide a training list without an official validation list: 80 % for training, 20 % for validation.

    This is the division of EmoBox's recipe: Python's generator with seed 1993 shuffles the positions of the list, and
    the first `int(0.8 n)` are for training. EmoBox's code fails at this step, as it looks up validation clips among the
    training clips. The division of the benchmark is not published, so it may differ from this one. Clips are drawn, not
    speakers: the same speakers are in both parts.

    Args:
        train: the list in its order, without missing and broken clips, as in EmoBox.

    Returns:
        The training part and the validation part, in the order of the draw.
    """
    places = list(range(len(train)))
    random.Random(VALIDATION_SEED).shuffle(places)
    kept = int(len(train) * TRAINED_SHARE)
    return tuple(train[place] for place in places[:kept]), tuple(train[place] for place in places[kept:])


def corpus_value(corpus: str) -> str:
    """Return the value of `corpus` of the utterances of a corpus of the lists."""
    return _OUR_NAME.get(corpus, corpus)


def _data_folder(root: Path) -> Path:
    return root / "data" if (root / "data").is_dir() else root


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            try:
                entry = json.loads(line)
                if not {"key", "wav", "emo"} <= entry.keys():
                    raise ValueError("needs key, wav and emo")
            except (ValueError, AttributeError) as error:
                raise UserError(f"{path}, row {number}: broken line ({error}): download the repository again") from None
            yield number, entry


def _label_map(folder: Path, corpus: str) -> dict[str, str]:
    """Map each word of the lists, and its lower-case form, to the emotion's name; an empty name is no label.

    EMO-DB's map has Neutral, and its lists have neutral.
    """
    path = folder / "label_map.json"
    if corpus in _WORDS:
        return _WORDS[corpus]
    if not path.is_file():
        raise UserError(f"{path} is missing: download the repository again")
    try:
        given = json.loads(read_text(path))
        pairs = {str(word): str(name).lower() for word, name in given.items()}
    except (ValueError, AttributeError):
        raise UserError(f"{path} is not a map from words to emotions: download the repository again") from None
    named = {
        word: _NAMES[name] if name in _NAMES else emotion_in(path, at, name) or ""
        for at, (word, name) in enumerate(pairs.items(), start=2)
    }
    return {word.lower(): name for word, name in named.items()} | named


def _utterance(
    path: Path,
    number: int,
    entry: dict[str, Any],
    corpus: str,
    split: Split,
    downloads: Path,
    classes: dict[str, str],
    speakers: dict[str, str],
) -> Utterance:
    word, key = str(entry["emo"]), str(entry["key"])
    name = classes.get(word, classes.get(word.lower()))
    if name is None:
        raise UserError(f"{path}, row {number}: {word!r} is not in label_map.json: download the repository again")
    length = entry.get("length")
    start, end = float(entry.get("start_time") or 0.0), entry.get("end_time")
    ours = corpus_value(corpus)
    return Utterance(
        id=key,
        audio=downloads / str(entry["wav"]).removeprefix("downloads/"),
        start=start,
        end=None if end is None else float(end),
        emotion=emotion_name(name) if name else None,
        speaker=f"{ours}_{speakers[key]}" if key in speakers else None,
        language=CORPORA[corpus][0],
        corpus=ours,
        split=split,
        session=f"iemocap_{key.split('Ses0')[1][0]}" if corpus == "iemocap" and "Ses0" in key else None,
        duration=float(length) if isinstance(length, int | float) else None,
    )


def _speakers(path: Path, corpus: str) -> dict[str, str]:
    """Read the speaker of each key.

    tess-OAF-lid-fear 1 OAF 0 1.58 <id=...,lang=en,spk=OAF,emotion=fear> fear
    """
    if corpus in _NO_SPEAKERS or not path.is_file():
        return {}
    matches = (_STM.match(line) for line in read_text(path).splitlines())
    found = {match["key"]: match["speaker"].removeprefix("male_").removeprefix("female_") for match in matches if match}
    if corpus == "iemocap":
        turns = {key: _TURN.search(key) for key in found}
        return {key: turn[1] + turn[2] for key, turn in turns.items() if turn}
    return found
