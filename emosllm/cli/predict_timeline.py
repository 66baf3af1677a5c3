"""The timeline of one long recording: printed, written in the formats of the given endings, or drawn."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from emosllm.cli.options import Format
from emosllm.cli.progress import CommandProgress
from emosllm.errors import UserError
from emosllm.utterance import Utterance

if TYPE_CHECKING:
    from emosllm.inference.recogniser import Recogniser
    from emosllm.timeline.segments import Timeline
    from emosllm.timeline.timeline import Options


def checked(
    utterances: Sequence[Utterance],
    out: Sequence[Path],
    picture: Path | None,
    rttm: Path | None,
    shortest: float | None,
    longest: float | None,
    cues: bool | None,
) -> "Options":
    """Refuse, before anything is computed, what cannot be read, written or drawn.

    Returns:
        The options of the timeline, as far as the command line gives them.
    """
    from emosllm.audio import duration
    from emosllm.timeline.cues import cues_available
    from emosllm.timeline.exports import check_export
    from emosllm.timeline.silero_vad import installed_weights
    from emosllm.timeline.speakers import read_rttm
    from emosllm.timeline.timeline import Options
    from emosllm.timeline.turns import Limits

    if len(utterances) != 1 or not isinstance(utterances[0].audio, Path):
        raise UserError(f"--timeline takes one recording at a time, and there are {len(utterances)}: name one")
    for path in out:
        check_export(path)
    if picture is not None:
        from emosllm.reporting.style import check_picture

        check_picture(picture)
    if cues and not cues_available():
        raise UserError("--cues needs parselmouth: pip install 'emosllm[cues]'")
    installed_weights()
    duration(utterances[0].audio)  # raises an error if the recording cannot be opened
    usual = Limits()
    limits = Limits(usual.shortest if shortest is None else shortest, usual.longest if longest is None else longest)
    return Options(limits, speakers=read_rttm(rttm) if rttm else None, cues=cues_available() if cues is None else cues)


def run(
    recogniser: "Recogniser",
    utterance: Utterance,
    model: str,
    options: "Options",
    format: Format,
    out: Sequence[Path],
    picture: Path | None,
) -> int:
    """Make the timeline; write and draw it, or print it if no file is requested.

    Returns:
        The exit code: 0, 1 if some turns failed, 2 if all failed.
    """
    from emosllm.audio import duration
    from emosllm.timeline.exports import export
    from emosllm.timeline.timeline import make_timeline

    assert isinstance(utterance.audio, Path)
    with CommandProgress("recognising", duration(utterance.audio), "seconds") as told:
        timeline = make_timeline(recogniser, utterance.audio, model, options, told.advance)
    for path in out:
        export(timeline, path)
    if picture is not None:
        from emosllm.timeline.plot import draw_timeline

        draw_timeline(timeline, picture)
    if out:
        from emosllm.timeline.screen import summary

        Console(stderr=True).print(summary(timeline), highlight=False)
    else:
        _show(timeline, format)
    if recogniser.note and (out or format is Format.table):
        Console(stderr=bool(out)).print(Text(recogniser.note, style="dim"))
    if not timeline.segments:
        print(f"{utterance.audio}: no speech was found in it", file=sys.stderr)
    failed = sum(segment.error is not None for segment in timeline.segments)
    return 0 if not failed else 2 if failed == len(timeline.segments) else 1


def _show(timeline: "Timeline", format: Format) -> None:
    """Print a timeline; as JSON lines, one segment per line."""
    from emosllm.timeline.exports.tables import as_csv
    from emosllm.timeline.screen import summary, timeline_table

    if format is Format.json:
        for segment in timeline.segments:
            print(json.dumps(segment.to_dict(), ensure_ascii=False))
    elif format is Format.csv:
        print(as_csv(timeline), end="")
    else:
        console = Console()
        console.print(timeline_table(timeline))
        console.print(summary(timeline), highlight=False)
