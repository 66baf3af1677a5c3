"""The command line: each command parses its options, then calls one function.

A user's mistake is reported as one line, with exit code 2. Each command has a file of its name. `options` holds the
options that several commands share. Heavy libraries are imported inside the commands, so that `emosllm --help` is fast.
"""

import io
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from emosllm import __version__
from emosllm.cli import (
    calibrate,
    evaluate,
    export,
    info,
    listen,
    predict,
    prepare,
    recipes,
    report,
    samples,
    serve,
    study,
    sweep,
    train,
)
from emosllm.errors import Caution, UserError
from emosllm.models.checkpoints.locations import MODELS

app = typer.Typer(
    name="emosllm",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
)
recipes_app = typer.Typer(no_args_is_help=True, help="List, show and check recipes.\n\nExample: `emosllm recipes list`")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _emosllm(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, help="Print the version.")] = False,
    models: Annotated[
        Path | None,
        typer.Option(
            help="Folder of published models, searched before the hub. "
            "Example: `emosllm --models ~/models info emosllm`",
            envvar=MODELS,
        ),
    ] = None,
) -> None:
    """Speech emotion recognition with large language models, on your own machine.

    Example: `emosllm predict nano interview.wav`
    """
    if models is not None:
        os.environ[MODELS] = str(models)


COMMANDS: tuple[Callable[..., None], ...] = (
    predict.predict,
    listen.listen,
    evaluate.evaluate,
    calibrate.calibrate,
    report.report,
    train.train,
    info.info,
    prepare.prepare,
    samples.samples,
    export.export,
    serve.serve,
    sweep.sweep,
    study.study,
)
for command in COMMANDS:
    app.command()(command)
recipes_app.command("list")(recipes.recipes_list)
recipes_app.command("show")(recipes.recipes_show)
recipes_app.command("check")(recipes.recipes_check)
app.add_typer(recipes_app, name="recipes")


def main() -> None:
    """Run the command line."""
    _quiet()
    try:
        app(prog_name="emosllm")
    except UserError as error:
        line = str(error).replace("\n", " ")  # a file's name may contain a line break
        print(f"emosllm: {line}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as leave:
        if isinstance(leave, SystemExit) and leave.code != 130:  # typer raises it for Ctrl-C
            raise
        print("emosllm: stopped", file=sys.stderr)
        sys.exit(130)


def _quiet() -> None:
    """Hide the libraries' messages to developers. Errors are still shown."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # for names or transcripts that the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", Caution)
    warnings.showwarning = _tell  # our warnings are one line, without the file and line number


def _tell(message: Warning | str, *_: object, **__: object) -> None:
    print(f"emosllm: warning: {message}", file=sys.stderr)
