"""Timelines as lines of text: Audacity's labels, SRT and WebVTT subtitles, and RTTM.

Each format keeps what it has fields for. Subtitles give the emotion in brackets before the words. RTTM keeps speakers
and times. Audacity keeps one short label per segment.
"""

import re
from pathlib import Path

from emosllm.timeline.segments import Segment, Timeline

_BLANKS = re.compile(r"\s+")


def audacity(timeline: Timeline) -> str:
    """Audacity's label track: start, end and text with tabs between them (Audacity manual, "Importing Labels")."""
    lines = [f"{s.start:.6f}\t{s.end:.6f}\t{_one_line(_segment_line(s, with_words=True))}" for s in timeline.segments]
    return "".join(f"{line}\n" for line in lines)


def srt(timeline: Timeline) -> str:
    """SubRip: number, times with a comma, text, an empty line."""
    cues = [
        f"{number}\n{_clock(s.start, ',')} --> {_clock(s.end, ',')}\n{_subtitle(s)}\n"
        for number, s in enumerate(timeline.segments, start=1)
    ]
    return "\n".join(cues)


def vtt(timeline: Timeline) -> str:
    """WebVTT (W3C): a note on the origin, then cues; the speaker, if known, is the cue's voice."""
    origin = _one_line(f"Emotions by {timeline.model}, recognised by a machine from {Path(timeline.recording).name}")
    cues = [f"WEBVTT\n\nNOTE {_escaped(origin)}\n"]
    for number, segment in enumerate(timeline.segments, start=1):
        # A line break or a bracket in a voice's name would end the tag.
        voice = f"<v {_escaped(_one_line(segment.speaker))}>" if segment.speaker else ""
        times = f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}"
        cues.append(f"{number}\n{times}\n{voice}{_escaped(_subtitle(segment, speaker=False))}\n")
    return "\n".join(cues)


def rttm(timeline: Timeline) -> str:
    """RTTM (NIST 2009): one line per segment and speaker; `unknown` where the speaker is not known.

    The eighth field is the speaker. RTTM has no field for emotions: each stands in a comment (`;;`) on the line before.
    """
    name = _BLANKS.sub("_", Path(timeline.recording).stem) or "recording"
    lines = []
    for segment in timeline.segments:
        lines.append(f";; {_one_line(_segment_line(segment, with_words=False))}")
        for speaker in segment.speakers or ("unknown",):
            times = f"{segment.start:.3f} {segment.end - segment.start:.3f}"
            lines.append(f"SPEAKER {name} 1 {times} <NA> <NA> {_BLANKS.sub('_', speaker)} <NA> <NA>")
    return "".join(f"{line}\n" for line in lines)


def _segment_line(segment: Segment, *, with_words: bool) -> str:
    """The segment in one line: speaker, emotion, probability, words."""
    if segment.label is None:
        return f"not recognised: {segment.error}"
    who = f"{segment.speaker}: " if segment.speaker else ""
    words = f" {segment.transcript}" if with_words and segment.transcript else ""
    return f"{who}{segment.label} {segment.confidence_text}".rstrip() + words


def _subtitle(segment: Segment, *, speaker: bool = True) -> str:
    who = f"{segment.speaker}: " if speaker and segment.speaker else ""
    return _one_line(f"{who}[{segment.label or 'not recognised'}] {segment.transcript or ''}".rstrip())


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float, point: str) -> str:
    """`hh:mm:ss,mmm`."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"
