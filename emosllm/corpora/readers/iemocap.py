"""IEMOCAP: ten actors in five sessions, improvised and scripted dialogues in ten emotions.

All 10,039 rated turns are read. `exc` and `hap` are two emotions; the label set `iemocap4` merges them, which gives the
5,531 turns of the papers. The speaker is the session and the letter before the turn's number: `Ses01F_impro01_M003` is
spoken by 1M. The letter after the session names the actor who wore the markers, not the speaker. Valence, arousal and
dominance are means on 1..5. Limitation: the actors' own ratings (`C-F1`, `C-M1`) are not read, as they are not votes of
listeners.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import check_folder, missing_corpus_error
from emosllm.corpora.tables import UniqueNames, emotion_in, read_text
from emosllm.errors import UserError
from emosllm.utterance import Utterance

CARD = Card(
    title="IEMOCAP",
    layout="Session1 to Session5, each with sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav, "
    "dialog/EmoEvaluation/Ses01F_impro01.txt and dialog/transcriptions/Ses01F_impro01.txt",
    origin="https://sail.usc.edu/iemocap",
    licence="an agreement with the University of Southern California",
    citation="Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee and Narayanan (2008), IEMOCAP: interactive "
    "emotional dyadic motion capture database, Language Resources and Evaluation 42(4)",
    expected=10039,
    emotions={
        "frustrated": 1849,
        "neutral": 1708,
        "angry": 1103,
        "sad": 1084,
        "excited": 1041,
        "happy": 595,
        "surprise": 107,
        "fear": 40,
        "other": 3,
        "disgust": 2,
    },
    classes={"iemocap4": {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}},
    sessions={
        "iemocap4": {
            "iemocap_1": 1085,
            "iemocap_2": 1023,
            "iemocap_3": 1151,
            "iemocap_4": 1031,
            "iemocap_5": 1241,
        }
    },
    speakers=10,
    scales={"valence": (1, 5), "arousal": (1, 5), "dominance": (1, 5)},
    notes=(
        "2,507 turns have no label, as the raters did not agree.",
        "Papers leave one session out. If one speaker is left out, the partner's turns of the same dialogues are in "
        "training.",
    ),
)

# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
_TURN = re.compile(
    r"\[(?P<start>[\d.]+) - (?P<end>[\d.]+)\]\t(?P<turn>\S+)\t(?P<label>\w+)\t"
    r"\[(?P<valence>[\d.]+), (?P<arousal>[\d.]+), (?P<dominance>[\d.]+)\]"
)
_NAME = re.compile(r"Ses0(?P<session>[1-5])[FM]_(?:impro|script)\w+_(?P<letter>[FM])\d+")
# C-E2:	Neutral; Sadness;	()
_RATER = re.compile(r"C-E\d+:\t(?P<emotions>[^(]*)")
# Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
_LINE = re.compile(r"(?P<turn>Ses\w+) \[[\d.]+-[\d.]+\]:(?P<text>.*)")


def read(root: Path) -> list[Utterance]:
    """Read all rated turns below `root`, by session and dialogue.

    Args:
        root: the folder with `Session1` to `Session5`, or some of them.

    Raises:
        UserError: there is no turn, or a line of an evaluation has another form, has an unknown label, or occurs
            twice.
    """
    check_folder(root, CARD)
    found, seen = [], UniqueNames()
    for file in sorted(root.glob("Session[1-5]/dialog/EmoEvaluation/Ses*.txt")):
        texts = _transcripts(file.parents[1] / "transcriptions" / file.name)
        wavs = file.parents[2] / "sentences" / "wav" / file.stem
        for number, fields, votes in _turns(file):
            seen.add(fields["turn"], file, number)
            found.append(_utterance(file, number, fields, votes, wavs, texts))
    if not found:
        raise missing_corpus_error(root, CARD)
    return found


def _turns(file: Path) -> Iterator[tuple[int, dict[str, str], Counter[str]]]:
    """Yield line number, fields and votes of each turn. The lines below a turn contain its votes."""
    turn: tuple[int, dict[str, str], Counter[str]] | None = None
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if line.startswith("[") and line[1:2].isdigit():  # the first line explains the columns, in brackets
            if turn:
                yield turn
            match = _TURN.fullmatch(line.strip())
            if match is None:
                raise UserError(
                    f"{file}, row {number}: {line[:60]!r} is not a turn: expected times, name, label, [V, A, D]"
                )
            turn = number, match.groupdict(), Counter()
        elif turn and (rater := _RATER.match(line)):
            for word in rater["emotions"].split(";"):
                # `Neutral state` is the long form of Neutral. All other emotions are one word.
                if word.strip() and (name := emotion_in(file, number, word.split()[0])):
                    turn[2][name] += 1
    if turn:
        yield turn


def _utterance(
    file: Path, number: int, fields: dict[str, Any], votes: Counter[str], wavs: Path, texts: dict[str, str]
) -> Utterance:
    turn = fields["turn"]
    name = _NAME.fullmatch(turn)
    if name is None:
        raise UserError(f"{file}, row {number}: {turn!r} is not a turn of IEMOCAP: expected Ses01F_impro01_F000")
    return Utterance(
        id=turn,
        audio=wavs / f"{turn}.wav",
        transcript=texts.get(turn),
        emotion=emotion_in(file, number, fields["label"]),
        speaker=f"iemocap_{name['session']}{name['letter']}",
        gender="female" if name["letter"] == "F" else "male",
        language="en",
        corpus="iemocap",
        session=f"iemocap_{name['session']}",
        valence=float(fields["valence"]),
        arousal=float(fields["arousal"]),
        dominance=float(fields["dominance"]),
        votes=dict(votes) or None,
    )


def _transcripts(file: Path) -> dict[str, str]:
    """Read the transcript of each turn. Lines of another form are stage directions and are skipped."""
    lines = read_text(file).splitlines() if file.is_file() else ()
    matches = (_LINE.match(line) for line in lines)
    return {match["turn"]: match["text"].strip() for match in matches if match and match["text"].strip()}
