"""The command `predict`: recognise emotions in recordings, in a manifest of them, or in one long recording.

The command composes a stream: sources, recordings, clips, rows, sinks. Each stage has one object with its options.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from emosllm.cli.options import (
    AsrOption,
    BatchSizeOption,
    DeviceOption,
    Format,
    LabelsOption,
    LongestOption,
    ModelArgument,
    ShortestOption,
    StrategyOption,
    chosen_labels,
    chosen_strategy,
)
from emosllm.cli.predict_options import (
    AdaptOption,
    CuesOption,
    FilesArgument,
    FormatOption,
    ManifestOption,
    OutOption,
    PictureOption,
    RttmOption,
    TimelineOption,
    TranscriptOptions,
    WordsOption,
    WorkersOption,
    long_recording,
    turn_options,
)
from emosllm.cli.progress import CommandProgress
from emosllm.errors import UserError

if TYPE_CHECKING:
    from emosllm.inference.clips import ListedUtterances
    from emosllm.inference.rows import Row
    from emosllm.timeline.spoken_turns import SpokenTurns


def predict(
    model: ModelArgument,
    files: FilesArgument = None,
    data: ManifestOption = None,
    format: FormatOption = Format.table,
    out: OutOption = None,
    picture: PictureOption = None,
    timeline: TimelineOption = False,
    rttm: RttmOption = None,
    shortest: ShortestOption = None,
    longest: LongestOption = None,
    cues: CuesOption = None,
    transcripts: WordsOption = None,
    asr: AsrOption = None,
    workers: WorkersOption = 2,
    strategy: StrategyOption = None,
    labels: LabelsOption = None,
    batch_size: BatchSizeOption = 8,
    device: DeviceOption = None,
    adapt: AdaptOption = False,
) -> None:
    """Recognise emotions in recordings.

    Example: `emosllm predict nano interview.wav --format json`

    A recording that cannot be read is a row with its error. Exit code 1 if some recordings failed, 2 if all failed.

    A long recording, turn by turn: `emosllm predict nano interview.wav --timeline --picture timeline.png`

    Many recordings: `emosllm predict nano --data manifest.csv --out results.parquet`
    """
    from emosllm.inference.sources import utterances_of

    utterances = utterances_of(files or [], data)
    only = {"--rttm": rttm, "--shortest": shortest, "--longest": longest, "--cues": cues}
    if not timeline and (alone := [name for name, value in only.items() if value is not None]):
        raise UserError(f"{alone[0]} is for one long recording: add --timeline, or leave it out")
    from emosllm.audio import open_recording
    from emosllm.inference.clips import ListedUtterances
    from emosllm.inference.rows import RecognitionOptions, recognise
    from emosllm.sinks.outputs import check_outputs, sinks_of
    from emosllm.sinks.sink import OutputOptions, RecognitionRun
    from emosllm.timeline.cues import cues_available
    from emosllm.timeline.spoken_turns import SpokenTurns

    path = long_recording(utterances) if timeline else None
    turns = turn_options(rttm, shortest, longest, cues) if timeline else None
    outputs = OutputOptions(format.value, out or [], picture)
    check_outputs(outputs, timeline)
    texts = TranscriptOptions(transcripts, data, asr, device)
    table = texts.table(utterances)
    with ExitStack() as stack:
        # Opened before the system is loaded, so that a recording that cannot be read is reported at once.
        recording = stack.enter_context(open_recording(path)) if path else None
        from emosllm.inference.loader import load

        recogniser = load(
            model, device=device, strategy=chosen_strategy(strategy), labels=chosen_labels(labels, utterances)
        )
        sources = texts.sources(table, recogniser)
        options = RecognitionOptions(batch_size, sources, timeline and (cues_available() if cues is None else cues))
        segmentation: SpokenTurns | ListedUtterances
        if path is not None and recording is not None:
            segmentation = SpokenTurns(recording, path, turns, recogniser.processor.longest)
        else:
            reader = recogniser.reader(samples=sources.transcriber is not None)
            segmentation = ListedUtterances(utterances, reader, workers, ahead=2 * batch_size)
        if adapt:
            recogniser.adapt(segmentation.clips(), batch_size)
        run = RecognitionRun(recogniser, model, options)
        sinks = [stack.enter_context(sink) for sink in sinks_of(outputs, segmentation, run)]
        rows = recognise(recogniser, segmentation.clips(sinks[0].earlier), options)
        for row in _tracked(rows, segmentation, sinks[0].earlier):
            for sink in sinks:
                sink.write(row)
    raise typer.Exit(sinks[0].exit_code)


def _tracked(rows: Iterable["Row"], segmentation: "SpokenTurns | ListedUtterances", earlier: int) -> Iterator["Row"]:
    """Show the progress on the error stream: recordings, or seconds of one long recording."""
    with CommandProgress("recognising", segmentation.total, segmentation.unit) as progress:
        progress.begin(earlier)
        for number, row in enumerate(rows, start=earlier + 1):
            progress.reach(number if segmentation.unit == "recordings" else row.utterance.end or 0.0)
            yield row
        progress.reach(segmentation.total)
