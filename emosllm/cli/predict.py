"""The verb predict: recordings, a manifest of them, or one long recording as a timeline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emosllm.cli.options import (
    AsrOpt,
    BatchOpt,
    DeviceOpt,
    Format,
    LabelsOpt,
    LongestOpt,
    ModelArgument,
    ShortestOpt,
    StrategyOpt,
    chosen_labels,
    chosen_strategy,
)
from emosllm.cli.predict_options import (
    AdaptOpt,
    CuesOpt,
    FilesArgument,
    FormatOpt,
    ManifestOpt,
    OutOpt,
    PictureOpt,
    RttmOpt,
    TimelineOpt,
    WordsOpt,
    WorkersOpt,
)
from emosllm.errors import UserError
from emosllm.utterance import Utterance

if TYPE_CHECKING:
    from emosllm.inference.transcripts import Transcriber
    from emosllm.timeline.given_transcripts import GivenTranscripts

AUDIO_SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif", ".au"}


@dataclass(frozen=True)
class Words:
    """Where transcripts come from: a table of the user's, the manifest's column, a recogniser of speech."""

    table: "GivenTranscripts | None" = None
    column: bool = False
    transcriber: "Transcriber | None" = None

    @property
    def given(self) -> bool:
        """Whether utterances may bring their own."""
        return self.column or self.table is not None


def predict(
    model: ModelArgument,
    files: FilesArgument = None,
    data: ManifestOpt = None,
    format: FormatOpt = Format.table,
    out: OutOpt = None,
    picture: PictureOpt = None,
    timeline: TimelineOpt = False,
    rttm: RttmOpt = None,
    shortest: ShortestOpt = None,
    longest: LongestOpt = None,
    cues: CuesOpt = None,
    transcripts: WordsOpt = None,
    asr: AsrOpt = None,
    workers: WorkersOpt = 2,
    strategy: StrategyOpt = None,
    labels: LabelsOpt = None,
    batch_size: BatchOpt = 8,
    device: DeviceOpt = None,
    adapt: AdaptOpt = False,
) -> None:
    """Recognise emotions in recordings.

    Example: `emosllm predict nano interview.wav --format json`

    A recording that can't be read is a row with its error. Exit code 1 when some failed, 2 when all did.

    A long recording, turn by turn: `emosllm predict nano interview.wav --timeline --picture timeline.png`

    Very many: `emosllm predict nano --data manifest.csv --out results.parquet`
    """
    from emosllm.cli import predict_rows, predict_timeline

    utterances = _utterances(files, data)
    only = {"--rttm": rttm, "--shortest": shortest, "--longest": longest, "--cues": cues}
    if not timeline and (alone := [name for name, value in only.items() if value is not None]):
        raise UserError(f"{alone[0]} is for one long recording: add --timeline, or leave it out")
    if timeline:
        options = predict_timeline.checked(utterances, out or [], picture, rttm, shortest, longest, cues)
    else:
        predict_rows.check(out or [], picture)
    words = _words(transcripts, data, utterances)
    from emosllm.inference.loader import load

    recogniser = load(
        model, device=device, strategy=chosen_strategy(strategy), labels=chosen_labels(labels, utterances)
    )
    if transcripts == "own" and asr is not None:
        raise UserError("--transcripts own and --asr: either the system listens itself, or another one does")
    if transcripts == "own" and not recogniser.model.recipe.transcribes:
        raise UserError(
            f"--transcripts own: {model} does not transcribe; leave it out, name a table of words, or give --asr"
        )
    if transcripts is None and (asr is not None or not recogniser.writes_words):
        words = replace(words, column=data is not None)
    if asr is not None:
        from emosllm.inference.asr import load_asr

        words = replace(words, transcriber=load_asr(asr, device))
    if adapt:
        from emosllm.timeline.timeline import turn_samples

        audio = utterances[0].audio
        if timeline and isinstance(audio, Path):
            recogniser.adapt(turn_samples(recogniser, audio, options), batch_size)
        else:
            recogniser.adapt(utterances, batch_size)
    if timeline:
        full = replace(options, given=words.table, transcriber=words.transcriber, batch_size=batch_size)
        code = predict_timeline.run(recogniser, utterances[0], model, full, format, out or [], picture)
    else:
        asked = _worded(utterances, words)
        if out:
            code = predict_rows.write(recogniser, asked, model, words, out[0], batch_size, workers)
        else:
            code = predict_rows.show(recogniser, asked, model, words, format, picture, batch_size)
    raise typer.Exit(code)


def _utterances(files: Sequence[Path] | None, data: Path | None) -> list[Utterance]:
    """What to recognise, by name or by manifest."""
    if files and data is not None:
        raise UserError(f"{files[0]} and --data {data}: give recordings, or a manifest of them")
    if data is not None:
        from emosllm.corpora.manifest import read_manifest

        return read_manifest(data)
    if not files:
        raise UserError("nothing to recognise: name recordings, or a manifest with --data")
    return [Utterance(str(path), path) for path in _recordings(files)]


def _words(transcripts: str | None, data: Path | None, utterances: Sequence[Utterance]) -> Words:
    """What `--transcripts` says."""
    if transcripts is None or transcripts == "own":
        return Words()
    if transcripts == "given":
        if data is None:
            raise UserError("--transcripts given: there is no manifest to take them from; add --data, or name a table")
        return Words(column=True)
    from emosllm.timeline.given_transcripts import GivenTranscripts

    table = GivenTranscripts(Path(transcripts))
    table.check(utterance.audio for utterance in utterances if isinstance(utterance.audio, Path))
    return Words(table=table)


def _worded(utterances: Sequence[Utterance], words: Words) -> list[Utterance]:
    """The utterances with the transcripts of the user's table; it goes before the manifest's column."""
    if words.table is None:
        return list(utterances)
    return [
        replace(utterance, transcript=words.table.of_recording(utterance.audio))
        if isinstance(utterance.audio, Path)
        else utterance
        for utterance in utterances
    ]


def _recordings(paths: Sequence[Path]) -> list[Path]:
    """The files named, and the recordings in the folders named."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if _is_recording(p)) if _is_folder(path) else [path]
        if not inside:
            raise UserError(
                f"{path}: no recording in that folder; known endings are {' '.join(sorted(AUDIO_SUFFIXES))}"
            )
        found += inside
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long to look up
        return False


def _is_recording(path: Path) -> bool:
    # Names that begin with a dot are what macOS leaves beside the files of an archive.
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".") and path.is_file()
