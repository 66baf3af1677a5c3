"""Print rows: as JSON lines, as CSV, or as a table with bars."""

import csv
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from emosllm.inference.rows import Row
from emosllm.reporting.screen import prediction_table
from emosllm.sinks.sink import Sink

if TYPE_CHECKING:
    from emosllm.inference.recogniser import Recogniser


class JsonLines(Sink):
    """Print each row as a JSON object in a line, as soon as it is there.

    Args:
        recogniser: the system, whose temperature and adaptation each object states.
    """

    def __init__(self, recogniser: "Recogniser") -> None:
        self.recogniser = recogniser

    def add(self, row: Row) -> None:
        """Print the row."""
        adaptation = self.recogniser.adaptation
        facts: dict[str, Any] = {
            "transcript_from": row.transcript_from,
            "temperature": (adaptation or self.recogniser).temperature,
        }
        if adaptation is not None:
            facts["adapted"] = adaptation.to_dict()
        print(json.dumps(row.prediction.to_dict() | facts, ensure_ascii=False), flush=True)


class CsvRows(Sink):
    """Print all rows as CSV after the last one, since the columns depend on all rows.

    Args:
        recogniser: the system.
    """

    def __init__(self, recogniser: "Recogniser") -> None:
        self.names = recogniser.labels.names
        self.collected: list[Row] = []

    def add(self, row: Row) -> None:
        """Keep the row."""
        self.collected.append(row)

    def finish(self) -> None:
        """Print the rows."""
        writer = csv.writer(sys.stdout, lineterminator="\n")
        with_transcripts = any(row.transcript_from for row in self.collected)
        columns = ["transcript", "transcript_from"] if with_transcripts else []
        writer.writerow(["path", "label", *self.names, *columns, "error"])
        for row in self.collected:
            prediction = row.prediction
            shares = [prediction.probabilities.get(name) for name in self.names]
            rounded = ["" if share is None else f"{share:.4f}" for share in shares]
            texts = [prediction.transcript, row.transcript_from] if with_transcripts else []
            writer.writerow([prediction.path, prediction.label or "", *rounded, *texts, prediction.error])


class RowTable(Sink):
    """Print a table of all rows after the last one, the sources of transcripts, and the note on probabilities.

    Args:
        recogniser: the system.
    """

    def __init__(self, recogniser: "Recogniser") -> None:
        self.note = recogniser.note
        self.collected: list[Row] = []

    def add(self, row: Row) -> None:
        """Keep the row."""
        self.collected.append(row)

    def finish(self) -> None:
        """Print the table."""
        console = Console()
        console.print(prediction_table([row.prediction for row in self.collected]))
        if sources := Counter(row.transcript_from for row in self.collected if row.transcript_from):
            counts = ", ".join(f"{source} ({count})" for source, count in sources.items())
            console.print(Text(f"transcripts from: {counts}", style="dim"))
        if self.note:
            console.print(Text(self.note, style="dim"))
