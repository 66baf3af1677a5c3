"""The timeline of one recording: printed, written in the formats of the given endings, or drawn."""

import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from emosllm.inference.rows import Row
from emosllm.sinks.sink import OutputOptions, RecognitionRun, Sink
from emosllm.timeline.exports import export
from emosllm.timeline.exports.tables import as_csv
from emosllm.timeline.plot import draw_timeline
from emosllm.timeline.screen import summary, timeline_table
from emosllm.timeline.segments import Segment, Timeline
from emosllm.timeline.spoken_turns import SpokenTurns
from emosllm.timeline.timeline import timeline_of

if TYPE_CHECKING:
    pass


class TimelineOutput(Sink):
    """Collect the segments of a recording and write its timeline after the last one.

    Args:
        turns: the turns that are recognised.
        run: what the rows come from.
        outputs: what is made of the timeline.
    """

    def __init__(self, turns: SpokenTurns, run: RecognitionRun, outputs: OutputOptions) -> None:
        self.turns, self.run, self.outputs = turns, run, outputs
        self.segments: list[Segment] = []

    def add(self, row: Row) -> None:
        """Keep the segment."""
        self.segments.append(Segment.of(row))

    def finish(self) -> None:
        """Write and draw the timeline, or print it if no file is requested."""
        timeline = timeline_of(self.turns, self.segments, self.run.recogniser, self.run.model, self.run.options)
        for path in self.outputs.out:
            export(timeline, path)
        if self.outputs.picture is not None:
            draw_timeline(timeline, self.outputs.picture)
        if self.outputs.out:
            Console(stderr=True).print(summary(timeline), highlight=False)
        else:
            self._show(timeline)
        note = self.run.recogniser.note
        if note and (self.outputs.out or self.outputs.format == "table"):
            Console(stderr=bool(self.outputs.out)).print(Text(note, style="dim"))
        if not timeline.segments:
            print(f"{self.turns.source}: no speech was found in it", file=sys.stderr)

    def _show(self, timeline: Timeline) -> None:
        """Print a timeline; as JSON lines, one segment per line."""
        if self.outputs.format == "json":
            for segment in timeline.segments:
                print(json.dumps(segment.to_dict(), ensure_ascii=False))
        elif self.outputs.format == "csv":
            print(as_csv(timeline), end="")
        else:
            console = Console()
            console.print(timeline_table(timeline))
            console.print(summary(timeline), highlight=False)
