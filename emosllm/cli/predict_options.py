"""Arguments and options of the command `predict`, and the typed options of each stage that they become."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emosllm.cli.options import Format
from emosllm.errors import UserError
from emosllm.utterance import Utterance

if TYPE_CHECKING:
    from emosllm.inference.recogniser import Recogniser
    from emosllm.inference.transcripts import TranscriptSources
    from emosllm.timeline.spoken_turns import TurnOptions

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
WorkersOpt = Annotated[int, typer.Option(min=0, help="Threads that decode recordings. Example: `--workers 4`")]


def long_recording(utterances: Sequence[Utterance]) -> Path:
    """The file of `--timeline`.

    Raises:
        UserError: there is not exactly one recording.
    """
    if len(utterances) != 1 or not isinstance(utterances[0].audio, Path):
        raise UserError(f"--timeline takes one recording at a time, and there are {len(utterances)}: name one")
    return utterances[0].audio


def turn_options(rttm: Path | None, shortest: float | None, longest: float | None, cues: bool | None) -> "TurnOptions":
    """The turns of `--timeline`.

    Raises:
        UserError: a library is missing, or an option has an invalid value.
    """
    from emosllm.timeline.cues import cues_available
    from emosllm.timeline.silero_vad import installed_weights
    from emosllm.timeline.speakers import read_rttm
    from emosllm.timeline.spoken_turns import TurnOptions
    from emosllm.timeline.turns import TurnLimits

    if cues and not cues_available():
        raise UserError("--cues needs parselmouth: pip install 'emosllm[cues]'")
    installed_weights()
    return TurnOptions(TurnLimits.of(shortest, longest), speakers=read_rttm(rttm) if rttm else None)


def transcript_sources(
    transcripts: str | None, data: Path | None, utterances: Sequence[Utterance]
) -> "TranscriptSources":
    """The sources that `--transcripts` names, checked before a system is loaded.

    Raises:
        UserError: there is no manifest or no readable table.
    """
    from emosllm.inference.given_transcripts import GivenTranscripts
    from emosllm.inference.transcripts import TranscriptSources

    if transcripts is None or transcripts == "own":
        return TranscriptSources()
    if transcripts == "given":
        if data is None:
            raise UserError("--transcripts given: there is no manifest to take them from; add --data, or name a table")
        return TranscriptSources(listed=True)
    table = GivenTranscripts(Path(transcripts))
    table.check(utterance.audio for utterance in utterances if isinstance(utterance.audio, Path))
    return TranscriptSources(table)


def completed_sources(
    sources: "TranscriptSources",
    recogniser: "Recogniser",
    transcripts: str | None,
    manifest: bool,
    asr: str | None,
    device: str | None,
) -> "TranscriptSources":
    """The sources with those that depend on the loaded system: the manifest's column, and a speech recogniser.

    Args:
        sources: what `transcript_sources` returned.
        recogniser: the system.
        transcripts: the value of `--transcripts`.
        manifest: whether there is a manifest with a transcript column.
        asr: the value of `--asr`.
        device: where the speech recogniser computes.

    Raises:
        UserError: `own` is requested of a system that does not transcribe, or two sources exclude each other.
    """
    from dataclasses import replace

    if transcripts == "own" and asr is not None:
        raise UserError("--transcripts own and --asr: either the system transcribes, or the speech recogniser does")
    if transcripts == "own" and not recogniser.model.recipe.transcribes:
        raise UserError(
            f"--transcripts own: {recogniser.model.recipe.name} does not transcribe; leave it out, name a table of "
            "transcripts, or give --asr"
        )
    if transcripts is None and (asr is not None or not recogniser.writes_words):
        sources = replace(sources, listed=manifest)
    if asr is not None:
        from emosllm.inference.asr import load_asr

        sources = replace(sources, transcriber=load_asr(asr, device))
    return sources
