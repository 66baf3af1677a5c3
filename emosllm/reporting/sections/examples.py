"""The section of examples: the most confident right and the most confident wrong answers of a system.

At most two examples have the same true class, so that one easy class does not fill the section. Free answers have no
confidence; the first of them in the data's order are shown. Limitation: these are extremes, not typical answers.
"""

import base64
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from emosllm.audio import SAMPLE_RATE, load_audio
from emosllm.errors import UserError
from emosllm.reporting.blocks import Example, Examples, Section
from emosllm.reporting.evaluations import ComparedEvaluations, Evaluation

_OF_A_CLASS = 2
_SHOWN = 3

#: Container, subtype, MIME type; the first that libsndfile can write is used. Every browser plays MP3.
_CODECS = (
    ("MP3", "MPEG_LAYER_III", "audio/mpeg"),
    ("OGG", "OPUS", "audio/ogg"),
    ("FLAC", "PCM_16", "audio/flac"),
)


def examples(compared: ComparedEvaluations, most: int, audio: bool) -> Section | None:
    """The most confident right and wrong answers of each system; `None` if there are none.

    Args:
        compared: the evaluations.
        most: number of right and of wrong answers of each system.
        audio: whether to embed the audio as data URIs; if a file is missing, the example says so.
    """
    evaluations = compared.evaluations if most else ()
    blocks = [block for each in evaluations for block in _most_confident(each, most, audio, compared.several)]
    text = (
        "The most confident right and wrong answers of each system, at most two of a true class. They are extremes "
        "and not typical answers."
    )
    return Section("Examples", tuple(blocks), (text,)) if blocks else None


def _most_confident(evaluation: Evaluation, most: int, audio: bool, named: bool) -> list[Examples]:
    """The most confident right and the most confident wrong answers of one system."""
    rows = [row for row in evaluation.rows if row["reference"] is not None and row["label"] is not None]
    rows.sort(key=lambda row: -(row["probabilities"].get(row["label"], 0.0)))  # stable
    found = []
    for right, word in ((True, "right"), (False, "wrong")):
        chosen = _varied(
            (row for row in rows if (evaluation.report.classify(row["label"]) == row["reference"]) is right), most
        )
        if chosen:
            sure = "Surest" if any(row["probabilities"] for row in chosen) else "First"
            title = f"{sure} and {word}" + (f", {evaluation.name}" if named else "")
            found.append(Examples(title, tuple(_example(row, right, audio) for row in chosen)))
    return found


def audio_data_uri(path: Path, start: float = 0.0, end: float | None = None) -> str:
    """A recording, or a part of it, as a data URI: mono, 16 kHz, MP3 where libsndfile can.

    Raises:
        UserError: it cannot be read.
    """
    import soundfile as sf

    samples = load_audio(path, start=start, end=end)
    container, subtype, kind = next(each for each in _CODECS if each[1] in sf.available_subtypes(each[0]))
    buffer = io.BytesIO()
    sf.write(buffer, samples, SAMPLE_RATE, format=container, subtype=subtype)
    return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _varied(rows: Iterable[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    seen: Counter[str] = Counter()
    chosen: list[dict[str, Any]] = []
    for row in rows:
        if len(chosen) == most:
            break
        if seen[row["reference"]] < _OF_A_CLASS:
            seen[row["reference"]] += 1
            chosen.append(row)
    return chosen


def _example(row: dict[str, Any], right: bool, audio: bool) -> Example:
    sound = silence = None
    if audio:
        try:
            sound = audio_data_uri(Path(row["path"]), row.get("start") or 0.0, row.get("end"))
        except UserError:
            silence = "its recording is not there any more"
    ranked = sorted(row["probabilities"].items(), key=lambda pair: -pair[1])[:_SHOWN]
    return Example(
        id=row["id"],
        reference=row["reference"],
        label=row["label"],
        right=right,
        probabilities=tuple(ranked),
        transcript=row["reference_transcript"] or row["transcript"],
        said=row.get("said"),
        speaker=row["speaker"],
        audio=sound,
        silence=silence,
    )
