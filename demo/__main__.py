"""Train nano on a bundled mini-corpus, and compare its answers before and after on voices not used in training.

All speech is synthetic (espeak-ng). The answers show that training works, and say nothing about people's emotions.
"""

import shutil
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from transformers.utils.logging import disable_progress_bar

from demo.answers_table import answers_table, count_right
from demo.joined_recording import write_joined_recording
from emosllm import load
from emosllm.corpora.manifest import read_manifest
from emosllm.inference.recogniser import Recogniser
from emosllm.recipe import load_recipe
from emosllm.reporting.prediction_plot import draw_predictions
from emosllm.timeline.plot import draw_timeline
from emosllm.timeline.timeline import make_timeline
from emosllm.training.run import Run
from emosllm.training.run_data import RunData
from emosllm.utterance import Prediction, Utterance

HERE = Path(__file__).parent
OUT = Path("runs/demo")
#: Changes to nano's recipe: start from nano's weights, use the mini-corpus's four emotions, train for about a minute.
OVERRIDES = (
    "start=builtin:nano",
    "labels=iemocap4",
    "training.augmentation=null",  # the encoder's frames are computed once
    "training.evaluations=3",
    "phases.p1.epochs=0.5",
    "phases.p2.epochs=0.5",
    "phases.p3.epochs=20",
    "phases.p3.learns=[mapper, lora]",  # another list of emotions than the one that nano was trained with
    "phases.p3.tasks={ser: 1, joint: 0}",
    "phases.p3.loss=classes",
    "phases.p3.optimiser={learning_rate: 1e-3, batch_size: 8}",
)
_CAVEAT = "These voices are synthetic (espeak-ng). The answers say that training works, and nothing about people."


@dataclass(frozen=True)
class Outcome:
    """The result of the training.

    Attributes:
        test: the clips of the voices not used in training.
        before: nano's answers to them, among the corpus's emotions.
        after: the answers of the trained system.
    """

    test: Sequence[Utterance]
    before: Sequence[Prediction]
    after: Sequence[Prediction]


def main(console: Console | None = None) -> Outcome:
    """Train, show the results, and print further commands."""
    console = console or Console()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    console.rule("1. nano learns from a mini-corpus of synthetic voices")
    outcome = train(console)
    console.rule("2. voices that it did not learn from")
    show(outcome, console)
    console.rule("3. your own recordings")
    _show_commands(console)
    return outcome


def train(console: Console) -> Outcome:
    """Recognise the test voices with nano, train it on the training voices, and recognise the test voices again."""
    recipe = load_recipe("nano", OVERRIDES)
    utterances = read_manifest(HERE / "corpus" / "manifest.csv")
    test = [utterance for utterance in utterances if utterance.split == "test"]
    before = _answers(load("nano", labels=recipe.label_set.names), test)
    Run(recipe, RunData.of(utterances, recipe), OUT / "run", console=console).train()
    return Outcome(test, before, _answers(load(OUT / "run"), test))


def show(outcome: Outcome, console: Console) -> None:
    """Print the answers before and after, draw those after, and make a timeline of all test clips in a row."""
    test, before, after = outcome.test, outcome.before, outcome.after
    console.print(answers_table(test, before, after))
    console.print(
        f"before: {count_right(test, before)} of {len(test)} right; "
        f"after: {count_right(test, after)} of {len(test)} right"
    )
    console.print(_CAVEAT, style="bold", soft_wrap=True)
    picture, row, timeline = OUT / "recordings.png", OUT / "row.wav", OUT / "timeline.png"
    draw_predictions(after, picture, "Synthetic voices, after training on others")
    turns = sorted(test, key=lambda utterance: utterance.emotion or "")
    write_joined_recording([utterance.audio for utterance in turns if isinstance(utterance.audio, Path)], row)
    draw_timeline(make_timeline(load(OUT / "run"), row, "runs/demo/run"), timeline)
    console.print(f"picture: {picture}; the clips in a row: {row}, its timeline: {timeline}", soft_wrap=True)


def _answers(recogniser: Recogniser, utterances: Sequence[Utterance]) -> list[Prediction]:
    """The predictions, by file name."""
    return [replace(found, path=Path(found.path).name) for found in recogniser.predict(utterances, batch_size=16)]


def _show_commands(console: Console) -> None:
    emosllm = Path(sys.executable).parent / "emosllm"
    command = emosllm.relative_to(Path.cwd()) if emosllm.is_relative_to(Path.cwd()) else emosllm
    console.print(
        f"{command} predict nano YOUR.wav\n"
        f"{command} predict nano FOLDER --format json --picture emotions.png\n"
        f"{command} train nano --data YOUR.csv --out runs/mine start=builtin:nano\n"
        "(YOUR.csv: columns path, speaker, emotion, transcript, split; see docs/data.md)",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    disable_progress_bar()
    torch.set_num_threads(1)  # the matrices are small, and two threads on a busy machine wait for each other
    main()
