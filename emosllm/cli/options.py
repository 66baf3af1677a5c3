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
    """How a system answers."""

    score = "score"
    generate = "generate"


class StrategyChoice(StrEnum):
    """Where the system's transcript is used."""

    ser = "ser"
    transcript_in_prompt = "transcript-in-prompt"
    transcript_first = "transcript-first"


class TranscriptsChoice(StrEnum):
    """Sources of transcripts."""

    own = "own"
    given = "given"


ModelArgument = Annotated[str, typer.Argument(help="Builtin name (nano), run folder, checkpoint folder, or hub id.")]


RecipeArgument = Annotated[str, typer.Argument(help="Name of a recipe, or a YAML file.")]


OverridesArgument = Annotated[list[str] | None, typer.Argument(help="key=value, such as lora.rank=16.")]


DataOption = Annotated[Path, typer.Option("--data", help="Manifest: CSV, TSV or JSONL.")]


StrategyOption = Annotated[
    StrategyChoice | None,
    typer.Option(help="How transcripts are used; the recipe's if not given. Example: `--strategy ser`"),
]


ManifestsOption = Annotated[
    list[Path], typer.Option("--data", help="Manifest: CSV, TSV or JSONL; may be given several times.")
]


TranscriptsOption = Annotated[TranscriptsChoice, typer.Option(help="Use the system's transcripts, or the manifest's.")]


LabelsOption = Annotated[
    str | None,
    typer.Option(
        help="Emotions to choose from, or `present`: those that occur in the data. Example: `--labels angry,sad`"
    ),
]


DeviceOption = Annotated[
    str | None, typer.Option(help="Device; a GPU if there is one, by default. Example: `--device cpu`")
]


BatchSizeOption = Annotated[int, typer.Option(min=1, help="Recordings computed together. Example: `--batch-size 16`")]


AsrOption = Annotated[
    str | None,
    typer.Option(
        help="Speech recogniser for recordings without a transcript: hub id, folder, or `faster-whisper:small`. "
        "Example: `--asr openai/whisper-small`"
    ),
]


ShortestOption = Annotated[
    float | None,
    typer.Option(help="Seconds that a turn should have at least; 2 if not given. Example: `--shortest 1.5`"),
]


LongestOption = Annotated[
    float | None,
    typer.Option(help="Seconds above which a turn is cut; 15 if not given. Example: `--longest 10`"),
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
        raise UserError("--labels present: there is no labelled data to take them from")
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


OutOption = Annotated[Path, typer.Option(help="Folder of the runs, figures and results.")]


FoldsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Cross-validation folds, 5 if not given; 1 trains on train and reports val."),
]


SeedsOption = Annotated[int, typer.Option(min=1, help="Number of trainings, with different seeds.")]


ChooseWeightsOption = Annotated[
    bool, typer.Option("--choose-weights", help="Choose each training's weights on the part that is reported.")
]


ResumeOption = Annotated[bool, typer.Option(help="Continue an interrupted experiment; finished runs are not repeated.")]


ResumeEvaluationOption = Annotated[
    bool, typer.Option("--resume", help="With --protocol or --robustness: continue what was interrupted in --out.")
]


CacheOption = Annotated[Path | None, typer.Option(help="Folder for the encoder's frames, shared by runs.")]


KeepModelsOption = Annotated[
    bool, typer.Option("--keep-models/--drop-models", help="Keep the trained weights of every run.")
]


PartialOption = Annotated[bool, typer.Option(help="With --protocol: continue if counts are wrong, and report them.")]


TestOnlyOption = Annotated[bool, typer.Option(help="With --protocol: score a recipe as published, without training.")]


CalibrateOption = Annotated[
    bool, typer.Option("--calibrate", help="With --protocol: fit a temperature on each fold's validation part.")
]


ProtocolOption = Annotated[
    str | None,
    typer.Option(
        help="Measure as published: iemocap-loso, meld, msp-podcast, emospeech-cv, ... A recipe is trained for each "
        "fold, a trained system is scored as it is."
    ),
]


TrainValProtocolOption = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="Train on and evaluate a published protocol's train and val parts, in its classes and by its rules for "
        "speakers in several splits, which are reported: meld, msp-podcast, lssed, emobox:CORPUS.",
    ),
]


GridArgument = Annotated[list[str] | None, typer.Argument(help="key=v1,v2,v3 is swept; key=value holds for all.")]
