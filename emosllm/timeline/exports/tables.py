"""Timelines for programs: JSON (everything), CSV and Parquet (one row per segment, one column per emotion)."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from emosllm.extras import extra
from emosllm.timeline.cues import cue_levels
from emosllm.timeline.segments import Segment, Timeline


def as_json(timeline: Timeline) -> str:
    """One object: the timeline's settings, its segments, their cues as values and in words."""
    found = timeline.to_dict()
    for segment, words in zip(found["segments"], cue_levels(timeline.segments), strict=True):
        segment["cues_in_words"] = dict(words)
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def as_csv(timeline: Timeline) -> str:
    """One row per segment. Unknown values are empty cells; without any transcript there are no transcript columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(timeline), lineterminator="\n")
    writer.writeheader()
    for row in _rows(timeline):
        # The csv module quotes every line end except a lone carriage return.
        writer.writerow({k: v.replace("\r", "\n") if isinstance(v, str) else v for k, v in row.items()})
    return text.getvalue()


def parquet(timeline: Timeline) -> bytes:
    """The rows of the CSV, typed; the timeline's settings are in the file's metadata under `emosllm`.

    Raises:
        UserError: pyarrow is not installed.
    """
    with extra("timeline", "writing Parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    words = {"label", "transcript", "transcript_from", "speaker", "error", *_cue_words(timeline)}
    schema = pa.schema([(name, pa.string() if name in words else pa.float64()) for name in _columns(timeline)])
    facts = {key: value for key, value in timeline.to_dict().items() if key != "segments"}
    rows = [{name: row.get(name) for name in schema.names} for row in _rows(timeline)]
    table = pa.Table.from_pylist(rows, schema=schema.with_metadata({"emosllm": json.dumps(facts)}))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _columns(timeline: Timeline) -> list[str]:
    cues = [*_cue_names(timeline.segments), *_cue_words(timeline)]
    return ["start", "end", "label", "confidence", *timeline.labels, *_text_columns(timeline), *cues, "error"]


def _text_columns(timeline: Timeline) -> list[str]:
    """The columns of transcripts and speakers."""
    return [*(["transcript", "transcript_from"] if timeline.transcripts_from else []), "speaker"]


def _rows(timeline: Timeline) -> list[dict[str, Any]]:
    rows = []
    for segment, words in zip(timeline.segments, cue_levels(timeline.segments), strict=True):
        found = segment.to_dict()
        row = {name: found[name] for name in ("start", "end", "label", "confidence")}
        row |= found["probabilities"] | {name: found[name] for name in _text_columns(timeline)}
        row |= found["cues"] | {f"{name} in words": word for name, word in words.items()}
        rows.append(row | {"error": found["error"]})
    return rows


def _cue_names(segments: Sequence[Segment]) -> list[str]:
    return list(dict.fromkeys(name for segment in segments for name in segment.cues))


def _cue_words(timeline: Timeline) -> list[str]:
    words = cue_levels(timeline.segments)
    return list(dict.fromkeys(f"{name} in words" for found in words for name in found))
