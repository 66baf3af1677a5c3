"""The command `predict`: recognise emotions in recordings, in a manifest of them, or in one long recording."""

from collections.abc import Sequence
from dataclasses import replace
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
from emosllm.cli.predict_transcripts import chosen_transcripts, source_for, with_transcripts
from emosllm.errors import UserError
from emosllm.utterance import Utterance

if TYPE_CHECKING:
    from emosllm.inference.recogniser import Recogniser
    from emosllm.timeline.timeline import Options

AUDIO_SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif", ".au"}


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

    A recording that cannot be read is a row with its error. Exit code 1 if some recordings failed, 2 if all failed.

    A long recording, turn by turn: `emosllm predict nano interview.wav --timeline --picture timeline.png`

    Many recordings: `emosllm predict nano --data manifest.csv --out results.parquet`
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
    source = chosen_transcripts(transcripts, data, utterances)
    from emosllm.inference.loader import load

    recogniser = load(
        model, device=device, strategy=chosen_strategy(strategy), labels=chosen_labels(labels, utterances)
    )
    source = source_for(recogniser, source, transcripts, model, manifest=data is not None, asr=asr, device=device)
    if adapt:
        _adapt(recogniser, utterances, options if timeline else None, batch_size)
    if timeline:
        full = replace(options, given=source.table, transcriber=source.transcriber, batch_size=batch_size)
        code = predict_timeline.run(recogniser, utterances[0], model, full, format, out or [], picture)
    else:
        asked = with_transcripts(utterances, source)
        if out:
            code = predict_rows.write(recogniser, asked, model, source, out[0], batch_size, workers)
        else:
            code = predict_rows.show(recogniser, asked, model, source, format, picture, batch_size)
    raise typer.Exit(code)


def _adapt(
    recogniser: "Recogniser", utterances: Sequence[Utterance], options: "Options | None", batch_size: int
) -> None:
    """Normalise by the recordings, or by the turns of the one recording of a timeline."""
    from emosllm.timeline.timeline import turn_samples

    audio = utterances[0].audio
    if options is not None and isinstance(audio, Path):
        recogniser.adapt(turn_samples(recogniser, audio, options), batch_size)
    else:
        recogniser.adapt(utterances, batch_size)


def _utterances(files: Sequence[Path] | None, data: Path | None) -> list[Utterance]:
    """The utterances to recognise: named files, or the rows of a manifest."""
    if files and data is not None:
        raise UserError(f"{files[0]} and --data {data}: give recordings, or a manifest of them")
    if data is not None:
        from emosllm.corpora.manifest import read_manifest

        return read_manifest(data)
    if not files:
        raise UserError("nothing to recognise: name recordings, or a manifest with --data")
    return [Utterance(str(path), path) for path in _recordings(files)]


def _recordings(paths: Sequence[Path]) -> list[Path]:
    """The named files, and the recordings in the named folders."""
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
    except OSError:  # the name is too long for the file system
        return False


def _is_recording(path: Path) -> bool:
    # macOS adds files whose names begin with a dot to archives.
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".") and path.is_file()
