"""Timelines for annotators: Praat's TextGrid and ELAN's .eaf, one tier each for emotion, probability, words, speakers.

A TextGrid's interval tiers cover the whole recording, so pauses are empty intervals. ELAN's tiers hold segments only. A
tier without any text is left out.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from emosllm.timeline.cues import cue_levels
from emosllm.timeline.segments import Timeline, segments_and_gaps


def textgrid(timeline: Timeline) -> str:
    """Praat's long text format (Praat manual, "TextGrid file formats"), UTF-8."""
    tiers = _tiers(timeline)
    end = _number(timeline.duration)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    intervals = list(segments_and_gaps(timeline))
    for place, (name, texts) in enumerate(tiers.items(), start=1):
        lines += [f"    item [{place}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {end}", f"        intervals: size = {len(intervals)}"]
        for number, (start, stop, segment) in enumerate(intervals, start=1):
            text = texts.get(id(segment), "").replace('"', '""')
            lines += [f"        intervals [{number}]:", f"            xmin = {_number(start)}"]
            lines += [f"            xmax = {_number(stop)}", f'            text = "{text}"']
    return "\n".join(lines) + "\n"


def eaf(timeline: Timeline) -> str:
    """ELAN's annotation format 3.0 (EAF schema, The Language Archive); times in whole milliseconds."""
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "emosllm",
            "DATE": "1970-01-01T00:00:00+00:00",  # a fixed date, so that the same timeline gives the same file
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )
    header = ElementTree.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    media = Path(timeline.recording).resolve()
    kind = "audio/x-wav" if media.suffix.lower() == ".wav" else "audio/*"
    relative = f"./{quote(media.name)}"  # relative, so that both files can be moved together
    ElementTree.SubElement(
        header, "MEDIA_DESCRIPTOR", {"MEDIA_URL": relative, "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": relative}
    )
    slots = ElementTree.SubElement(root, "TIME_ORDER")
    for index, segment in enumerate(timeline.segments):
        for side, time in enumerate((segment.start, segment.end)):
            slot = {"TIME_SLOT_ID": f"ts{2 * index + side + 1}", "TIME_VALUE": str(round(time * 1000))}
            ElementTree.SubElement(slots, "TIME_SLOT", slot)
    count = 0
    for name, texts in _tiers(timeline).items():
        tier = ElementTree.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": "emosllm", "TIER_ID": name})
        for index, segment in enumerate(timeline.segments):
            if text := texts.get(id(segment)):
                count += 1
                ids = {"TIME_SLOT_REF1": f"ts{2 * index + 1}", "TIME_SLOT_REF2": f"ts{2 * index + 2}"}
                annotation = ElementTree.SubElement(tier, "ANNOTATION")
                aligned = ElementTree.SubElement(
                    annotation, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": f"a{count}", **ids}
                )
                ElementTree.SubElement(aligned, "ANNOTATION_VALUE").text = text
    ElementTree.SubElement(
        root,
        "LINGUISTIC_TYPE",
        {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "emosllm", "TIME_ALIGNABLE": "true"},
    )
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _tiers(timeline: Timeline) -> dict[str, Mapping[int, str]]:
    """Tier name -> `id` of a segment -> its text in that tier."""
    segments = timeline.segments
    tiers = {
        "emotion": {id(s): s.label or "not recognised" for s in segments},
        "probability": {id(s): s.confidence_text for s in segments if s.confidence is not None},
        "transcript": {id(s): _printable(s.transcript) for s in segments if s.transcript},
        "speaker": {id(s): _printable(s.speaker) for s in segments if s.speaker},
        "cues": {
            id(s): ", ".join(f"{name} {word}" for name, word in words.items())
            for s, words in zip(segments, cue_levels(segments), strict=True)
            if words
        },
        "error": {id(s): _printable(s.error) for s in segments if s.error},
    }
    return {name: texts for name, texts in tiers.items() if texts or name == "emotion"}


def _printable(text: str | None) -> str:
    """The text on one line, without the characters that XML does not allow."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text or "").split())


def _number(seconds: float) -> str:
    """Format a time so that neighbouring intervals meet exactly."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")
