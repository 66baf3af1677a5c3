"""The command `listen`: recognise emotions from the microphone, turn by turn, and show them in the terminal."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from emosllm.cli.options import (
    AsrOption,
    DeviceOption,
    LabelsOption,
    LongestOption,
    ModelArgument,
    ShortestOption,
    StrategyOption,
    chosen_labels,
    chosen_strategy,
)


def listen(
    model: ModelArgument,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Read this file instead of the microphone. Example: `--from talk.wav`"),
    ] = None,
    microphone: Annotated[
        str | None,
        typer.Option(
            help="Microphone, by name or number; the default microphone if not given. Example: `--microphone USB`"
        ),
    ] = None,
    shortest: ShortestOption = None,
    longest: LongestOption = None,
    asr: AsrOption = None,
    strategy: StrategyOption = None,
    labels: LabelsOption = None,
    device: DeviceOption = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="Normalise by the previous turns, without labels, from the fifth on. This helps if their "
            "emotions vary. Example: `--adapt`",
        ),
    ] = False,
) -> None:
    """Recognise emotions from the microphone, turn by turn, and show them. Ctrl-C ends it. Nothing is stored.

    Example: `emosllm listen nano`

    Without a microphone: `emosllm listen nano --from interview.wav`
    """
    from emosllm.audio import open_recording
    from emosllm.inference.loader import load
    from emosllm.inference.rows import RecognitionOptions, recognise
    from emosllm.inference.transcripts import TranscriptSources
    from emosllm.sinks.live_view import LiveView
    from emosllm.timeline.microphone import open_microphone
    from emosllm.timeline.silero_vad import installed_weights
    from emosllm.timeline.spoken_turns import TurnOptions, cut_turns
    from emosllm.timeline.turns import TurnLimits

    # A live view should not wait for the end of a long turn.
    turns = TurnOptions(TurnLimits.of(shortest, 8.0 if longest is None else longest))
    installed_weights()
    with ExitStack() as stack:
        recording = stack.enter_context(open_recording(source)) if source else None
        recogniser = load(model, device=device, strategy=chosen_strategy(strategy), labels=chosen_labels(labels, []))
        transcriber = None
        if asr is not None:
            from emosllm.inference.asr import load_asr

            transcriber = load_asr(asr, device)
        session = recogniser.session() if adapt else None
        options = RecognitionOptions(1, TranscriptSources(transcriber=transcriber), session=session)
        if recording is not None:
            blocks, waiting = recording.blocks(), None
        else:
            blocks, waiting = stack.enter_context(open_microphone(microphone))
            print("listening; Ctrl-C ends it", file=sys.stderr)
        if recogniser.calibrated is not None:
            print(recogniser.calibrated.note, file=sys.stderr)
        view = stack.enter_context(LiveView(tuple(recogniser.labels.names), Console()))
        clips = cut_turns(view.watched(blocks, waiting), "stream", turns.within(recogniser.processor.longest))
        for row in recognise(recogniser, clips, options):
            view.write(row)
    if session is not None:
        print(session.adaptation.note, file=sys.stderr)
    if not view.rows:
        print("no speech was found", file=sys.stderr)
