"""Arguments and options of the command `predict`."""

from pathlib import Path
from typing import Annotated

import typer

from emosllm.cli.options import Format

FilesArgument = Annotated[list[Path] | None, typer.Argument(help="Recordings, or folders of them.")]
ManifestOpt = Annotated[
    Path | None, typer.Option(help="A manifest of recordings: CSV, TSV or JSONL. Example: `--data manifest.csv`")
]
FormatOpt = Annotated[
    Format, typer.Option(help="What is printed: table, one JSON object a line, or CSV. Example: `--format json`")
]
OutOpt = Annotated[
    list[Path] | None,
    typer.Option(
        help="Write here instead of printing: .parquet, .jsonl or .csv; an interrupted run continues. "
        "With --timeline, and repeatable: .json, .csv, .parquet, .TextGrid, .eaf (ELAN), .txt "
        "(Audacity), .srt, .vtt, .rttm. Example: `--out results.parquet`"
    ),
]
PictureOpt = Annotated[
    Path | None, typer.Option(help="Draw the probabilities: PNG, SVG or PDF. Example: `--picture emotions.png`")
]
TimelineOpt = Annotated[
    bool,
    typer.Option("--timeline", help="One long recording, turn by turn. Example: `talk.wav --timeline`"),
]
RttmOpt = Annotated[Path | None, typer.Option(help="Who speaks when, for --timeline. Example: `--rttm talk.rttm`")]
CuesOpt = Annotated[
    bool | None,
    typer.Option(
        "--cues/--no-cues",
        help="Measure each turn's pitch, loudness and other cues, if Praat's parselmouth is installed. "
        "Example: `--cues`",
    ),
]
WordsOpt = Annotated[
    str | None,
    typer.Option(
        help="`own`: the system transcribes, if it can; `given`: the manifest's column; or a table with columns "
        "path, start, end, transcript. Example: `--transcripts words.csv`"
    ),
]
AdaptOpt = Annotated[
    bool,
    typer.Option(
        "--adapt",
        help="Normalise by all given recordings, or by the turns of one long recording, without labels. This helps "
        "where they hold varied emotions. Example: `recordings --adapt`",
    ),
]
WorkersOpt = Annotated[
    int, typer.Option(min=0, help="Threads that decode recordings for --out. Example: `--workers 4`")
]
