"""The command `listen`: recognise emotions from the microphone, turn by turn, and show them in the terminal."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from emosllm.cli.options import (
    AsrOpt,
    DeviceOpt,
    LabelsOpt,
    LongestOpt,
    ModelArgument,
    ShortestOpt,
    StrategyOpt,
    chosen_labels,
    chosen_strategy,
)


def listen(
    model: ModelArgument,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Use a file instead of the microphone. Example: `--from talk.wav`"),
    ] = None,
    microphone: Annotated[
        str | None, typer.Option(help="The microphone's name or number. Example: `--microphone USB`")
    ] = None,
    shortest: ShortestOpt = None,
    longest: LongestOpt = None,
    asr: AsrOpt = None,
    strategy: StrategyOpt = None,
    labels: LabelsOpt = None,
    device: DeviceOpt = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="Normalise by the previous turns, without labels, from the fifth on. This helps where they hold "
            "varied emotions. Example: `--adapt`",
        ),
    ] = False,
) -> None:
    """Recognise emotions from the microphone and show them as they are spoken. Ctrl-C ends it; nothing is stored.

    Example: `emosllm listen nano`

    Without a microphone: `emosllm listen nano --from interview.wav`
    """
    from emosllm.audio import duration, stream_audio
    from emosllm.inference.loader import load
    from emosllm.timeline.live import LiveView
    from emosllm.timeline.live import microphone as opened
    from emosllm.timeline.silero_vad import installed_weights
    from emosllm.timeline.timeline import Options
    from emosllm.timeline.turns import Limits

    usual = Limits(longest=8.0)  # a live view should not wait for the end of a long turn
    limits = Limits(usual.shortest if shortest is None else shortest, usual.longest if longest is None else longest)
    installed_weights()
    if source is not None:
        duration(source)  # raises an error if the recording cannot be opened
    recogniser = load(model, device=device, strategy=chosen_strategy(strategy), labels=chosen_labels(labels, []))
    transcriber = None
    if asr is not None:
        from emosllm.inference.asr import load_asr

        transcriber = load_asr(asr, device)
    session = recogniser.session() if adapt else None
    options = Options(limits, transcriber=transcriber, batch_size=1, session=session)
    view = LiveView(tuple(recogniser.labels.names), Console())
    with ExitStack() as stack:
        blocks, waiting = (stream_audio(source), None) if source else stack.enter_context(opened(microphone))
        if source is None:
            print("listening; Ctrl-C ends it", file=sys.stderr)
        if recogniser.calibrated is not None:
            print(recogniser.calibrated.note, file=sys.stderr)
        turns = sum(1 for _ in view.follow(recogniser, blocks, options, waiting))
    if session is not None:
        print(session.adaptation.note, file=sys.stderr)
    if not turns:
        print("no speech was found", file=sys.stderr)
