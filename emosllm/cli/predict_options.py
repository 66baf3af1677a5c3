"""Arguments and options of the command `predict`, and the typed options of each stage that they become."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emosllm.cli.options import Format
from emosllm.errors import UserError
from emosllm.utterance import Utterance

if TYPE_CHECKING:
    from emosllm.inference.given_transcripts import GivenTranscripts
    from emosllm.inference.recogniser import Recogniser
    from emosllm.inference.transcripts import TranscriptSources
    from emosllm.timeline.spoken_turns import TurnOptions

FilesArgument = Annotated[list[Path] | None, typer.Argument(help="Recordings, or folders of recordings.")]
ManifestOption = Annotated[
    Path | None, typer.Option(help="Manifest of recordings: CSV, TSV or JSONL. Example: `--data manifest.csv`")
]
FormatOption = Annotated[
    Format, typer.Option(help="Format of the output: table, one JSON object a line, or CSV. Example: `--format json`")
]
OutOption = Annotated[
    list[Path] | None,
    typer.Option(
        help="Write the results to this file instead of printing: .parquet, .jsonl or .csv. The same command continues "
        "an interrupted run. "
        "With --timeline, repeatable: .json, .csv, .parquet, .TextGrid, .eaf (ELAN), .txt "
        "(Audacity), .srt, .vtt, .rttm. Example: `--out results.parquet`"
    ),
]
PictureOption = Annotated[
    Path | None,
    typer.Option(help="Draw the probabilities into this file: PNG, SVG or PDF. Example: `--picture emotions.png`"),
]
TimelineOption = Annotated[
    bool,
    typer.Option("--timeline", help="Recognise one long recording turn by turn. Example: `talk.wav --timeline`"),
]
RttmOption = Annotated[
    Path | None,
    typer.Option(help="RTTM file with the speakers' times, for --timeline. Example: `--rttm talk.rttm`"),
]
CuesOption = Annotated[
    bool | None,
    typer.Option(
        "--cues/--no-cues",
        help="Measure each turn's pitch, loudness and other cues, by default if Praat's parselmouth is installed. "
        "Example: `--cues`",
    ),
]
WordsOption = Annotated[
    str | None,
    typer.Option(
        help="Source of transcripts: the system (`own`), the manifest's column (`given`), or a table with the columns "
        "path, start, end, transcript. Example: `--transcripts words.csv`"
    ),
]
AdaptOption = Annotated[
    bool,
    typer.Option(
        "--adapt",
        help="Normalise by all given recordings, or by the turns of one long recording, without labels. This helps "
        "if their emotions vary. Example: `recordings --adapt`",
    ),
]
WorkersOption = Annotated[
    int, typer.Option(min=0, help="Number of threads that decode recordings. Example: `--workers 4`")
]


def long_recording(utterances: Sequence[Utterance]) -> Path:
    """The file of `--timeline`.

    Raises:
        UserError: there is not exactly one recording.
    """
    if len(utterances) != 1 or not isinstance(utterances[0].audio, Path):
        raise UserError(f"--timeline takes one recording, not {len(utterances)}: name one")
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


@dataclass(frozen=True)
class TranscriptOptions:
    """The options of transcripts.

    Attributes:
        source: the value of `--transcripts`: `own`, `given`, or a table.
        manifest: the manifest, whose column may be used.
        asr: the value of `--asr`.
        device: where the speech recogniser computes.
    """

    source: str | None
    manifest: Path | None
    asr: str | None
    device: str | None

    def table(self, utterances: Sequence[Utterance]) -> "GivenTranscripts | None":
        """The user's table; the options are checked as far as that is possible without a system.

        Raises:
            UserError: there is no manifest, no readable table, or two sources exclude each other.
        """
        if self.source == "own" and self.asr is not None:
            raise UserError("--transcripts own and --asr: either the system transcribes, or the speech recogniser does")
        if self.source == "given" and self.manifest is None:
            raise UserError("--transcripts given: there is no manifest to take them from; add --data, or name a table")
        if self.source in (None, "own", "given"):
            return None
        from emosllm.inference.given_transcripts import GivenTranscripts

        table = GivenTranscripts(Path(str(self.source)))
        table.check(utterance.audio for utterance in utterances if isinstance(utterance.audio, Path))
        return table

    def sources(self, table: "GivenTranscripts | None", recogniser: "Recogniser") -> "TranscriptSources":
        """The sources of transcripts for a system.

        Args:
            table: what `table` returned.
            recogniser: the system.

        Raises:
            UserError: `own` is requested of a system that does not transcribe, or there is no such speech recogniser.
        """
        from emosllm.inference.transcripts import TranscriptSources

        if self.source == "own" and not recogniser.model.recipe.transcribes:
            raise UserError(
                f"--transcripts own: {recogniser.model.recipe.name} does not transcribe; leave it out, name a table of "
                "transcripts, or give --asr"
            )
        by_default = self.source is None and (self.asr is not None or not recogniser.writes_words)
        listed = self.manifest is not None and (self.source == "given" or by_default)
        if self.asr is None:
            return TranscriptSources(table, listed)
        from emosllm.inference.asr import load_asr

        return TranscriptSources(table, listed, load_asr(self.asr, self.device))
