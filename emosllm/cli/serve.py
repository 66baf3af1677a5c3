"""The command `serve`: start a web page and a server on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from emosllm.cli.options import (
    AsrOption,
    DeviceOption,
    LabelsOption,
    ModelArgument,
    StrategyOption,
    chosen_labels,
    chosen_strategy,
)


def serve(
    model: ModelArgument,
    compare: Annotated[
        list[str] | None,
        typer.Option(help="Serve this system too, for comparison and for requests by name; repeatable."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the server; 0 chooses a free one.")] = 7860,
    host: Annotated[
        str, typer.Option(help="Address of the server; 0.0.0.0 accepts requests of other machines.")
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None, typer.Option(help="Require the bearer token in this file, one line; no token by default.")
    ] = None,
    max_seconds: Annotated[float, typer.Option(min=1, help="Maximum length of a recording in seconds.")] = 3600,
    max_megabytes: Annotated[float, typer.Option(min=0.1, help="Maximum size of an upload in megabytes.")] = 100,
    queue: Annotated[
        int, typer.Option(min=1, help="Maximum number of requests at a time; further requests get status 503.")
    ] = 32,
    batch_size: Annotated[int, typer.Option(min=1, help="Number of recordings in a batch, of all clients.")] = 8,
    asr: AsrOption = None,
    strategy: StrategyOption = None,
    labels: LabelsOption = None,
    device: DeviceOption = None,
    page: Annotated[bool, typer.Option(help="Serve the web page in addition to the API.")] = True,
) -> None:
    """Serve a system on this machine: a web page, and REST and OpenAI-style routes. Recordings are not stored.

    Example: `emosllm serve nano --port 7860`

    Then open http://127.0.0.1:7860, or send a request:
    `curl -F file=@interview.wav -F segments=true http://127.0.0.1:7860/v1/emotions`
    """
    from emosllm.extras import extra

    with extra("serve", "serving"):
        from emosllm.serving.server import Address, ServerLimits, Systems
        from emosllm.serving.server import serve as run

    limits = ServerLimits(max_seconds, round(max_megabytes * 1e6), queue, batch_size)
    systems = Systems((model, *(compare or ())), device, chosen_strategy(strategy), chosen_labels(labels, []), asr)
    with extra("serve", "serving"):  # imports Gradio if the page is served
        run(systems, Address(host, port, token_file), limits, page=page)
