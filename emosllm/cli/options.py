"""Arguments and options that several commands share."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from emosllm.errors import UserError
from emosllm.utterance import Prediction, Utterance

if TYPE_CHECKING:
    from emosllm.recipe_parts import Strategy


class Format(StrEnum):
    """Formats of predictions."""

    table = "table"
    json = "json"
    csv = "csv"


class InfoFormat(StrEnum):
    """Formats of a description."""

    table = "table"
    json = "json"


class AnswersChoice(StrEnum):
    """How the answer is found."""

    score = "score"
    generate = "generate"


class StrategyChoice(StrEnum):
    """How a transcript is used in recognition."""

    ser = "ser"
    transcript_in_prompt = "transcript-in-prompt"
    transcript_first = "transcript-first"


class TranscriptsChoice(StrEnum):
    """Sources of transcripts."""

    own = "own"
    given = "given"


ModelArgument = Annotated[
    str, typer.Argument(help="System: builtin name (nano), run folder, checkpoint folder, or hub id.")
]


RecipeArgument = Annotated[str, typer.Argument(help="Recipe: a name, or a YAML file.")]


OverridesArgument = Annotated[
    list[str] | None, typer.Argument(help="Changes to the recipe: key=value, such as lora.rank=16.")
]


DataOption = Annotated[Path, typer.Option("--data", help="Manifest: CSV, TSV or JSONL.")]


StrategyOption = Annotated[
    StrategyChoice | None,
    typer.Option(help="Use of transcripts in recognition; the recipe's by default. Example: `--strategy ser`"),
]


ManifestsOption = Annotated[list[Path], typer.Option("--data", help="Manifest: CSV, TSV or JSONL; repeatable.")]


TranscriptsOption = Annotated[
    TranscriptsChoice, typer.Option(help="Source of transcripts: the system (own), or the manifest (given).")
]


LabelsOption = Annotated[
    str | None,
    typer.Option(
        help="Restrict the answers to these emotions; `present` means those in the data; all by default. "
        "Example: `--labels angry,sad`"
    ),
]


DeviceOption = Annotated[
    str | None, typer.Option(help="Compute on this device; by default a GPU if there is one. Example: `--device cpu`")
]


BatchSizeOption = Annotated[
    int, typer.Option(min=1, help="Number of recordings in a batch. Example: `--batch-size 16`")
]


AsrOption = Annotated[
    str | None,
    typer.Option(
        help="Transcribe recordings without a transcript by this speech recogniser: hub id, folder, or "
        "`faster-whisper:small`; none by default. "
        "Example: `--asr openai/whisper-small`"
    ),
]


ShortestOption = Annotated[
    float | None,
    typer.Option(help="Minimum length of a turn in seconds, 2 by default. Example: `--shortest 1.5`"),
]


LongestOption = Annotated[
    float | None,
    typer.Option(help="Maximum length of a turn in seconds, 15 by default (`listen`: 8). Example: `--longest 10`"),
]


def chosen_labels(option: str | None, utterances: Sequence[Utterance]) -> list[str] | None:
    """The emotions that `--labels` names; `present` stands for those that occur in the utterances."""
    if option is None:
        return None
    if option != "present":
        names = [name.strip() for name in option.split(",") if name.strip()]
        if not names:
            raise UserError(f"--labels {option!r} names no emotion; for example angry,neutral,sad")
        return names
    present = sorted({utterance.emotion for utterance in utterances if utterance.emotion})
    if not present:
        raise UserError("--labels present: no utterance has a label")
    return present


def chosen_strategy(option: StrategyChoice | None) -> "Strategy | None":
    """The strategy that `--strategy` names."""
    return None if option is None else option.value


def chosen_split(utterances: Sequence[Utterance], split: str | None, data: Path | str) -> list[Utterance]:
    """The utterances of a split; all utterances if no split is named."""
    chosen = [u for u in utterances if split is None or u.split == split]
    if not chosen:
        there = Counter(u.split or "(none)" for u in utterances)
        counts = ", ".join(f"{name} {count}" for name, count in there.items())
        raise UserError(f"{data}: no utterance of split {split!r}; leave --split out, or name one of {counts}")
    return chosen


def with_progress(predictions: Iterable[Prediction], total: int) -> Iterable[Prediction]:
    """Show a progress bar and the remaining time on the error stream, if it is a terminal."""
    from rich.progress import track

    console = Console(stderr=True)
    return track(
        predictions, "recognising", total=total, console=console, transient=True, disable=not console.is_terminal
    )


OutOption = Annotated[Path, typer.Option(help="Write runs, figures and results into this folder.")]


FoldsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Number of cross-validation folds, 5 by default; 1 trains on train and reports val."),
]


SeedsOption = Annotated[int, typer.Option(min=1, help="Number of trainings of each system, with different seeds.")]


ChooseWeightsOption = Annotated[
    bool, typer.Option("--choose-weights", help="Choose each training's weights on the part that is reported.")
]


ResumeOption = Annotated[
    bool, typer.Option(help="Continue an interrupted experiment, without repeating finished runs.")
]


ResumeEvaluationOption = Annotated[
    bool, typer.Option("--resume", help="Continue an interrupted evaluation in --out, with --protocol or --robustness.")
]


CacheOption = Annotated[
    Path | None,
    typer.Option(help="Store the encoder's frames in this folder, which runs can share; by default in --out."),
]


KeepModelsOption = Annotated[
    bool, typer.Option("--keep-models/--drop-models", help="Keep or delete the trained weights of every run.")
]


PartialOption = Annotated[bool, typer.Option(help="Continue if the counts of --protocol are wrong, and report them.")]


TestOnlyOption = Annotated[bool, typer.Option(help="Score a recipe as published, without training, with --protocol.")]


CalibrateOption = Annotated[
    bool, typer.Option("--calibrate", help="Fit a temperature on each fold's validation part, with --protocol.")
]


ProtocolOption = Annotated[
    str | None,
    typer.Option(
        help="Evaluate by a published protocol: iemocap-loso, meld, msp-podcast, emospeech-cv, ... A recipe is trained "
        "for each fold. A trained system is scored without training."
    ),
]


TrainValProtocolOption = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="Train on the train part of a published protocol and evaluate on its val part, in its classes: meld, "
        "msp-podcast, lssed, emobox:CORPUS. The results list speakers that are in several parts.",
    ),
]


GridArgument = Annotated[
    list[str] | None, typer.Argument(help="Sweep key=v1,v2,v3; change key=value in all combinations.")
]
