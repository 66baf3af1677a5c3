"""See nano recognise, then see a system learn: bundled recordings first, three phases on a bundled mini-corpus after.

All speech in here is synthetic (espeak-ng): the figures say that the machinery works, not how well it does on people.
"""

import shutil
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from transformers.utils.logging import disable_progress_bar

from emosllm import load
from emosllm.corpora.manifest import read_manifest
from emosllm.evaluation.metrics import Scores, score
from emosllm.evaluation.picture import draw_predictions
from emosllm.evaluation.screen import prediction_table
from emosllm.inference.recogniser import Recogniser, as_utterance
from emosllm.models.build import build_model, build_processor
from emosllm.recipe import load_recipe
from emosllm.training.run import Run
from emosllm.training.run_data import RunData
from emosllm.utterance import Utterance

HERE = Path(__file__).parent
OUT = Path("runs/demo")
#: nano's recipe, from nano's own weights: the four emotions of the mini-corpus, and as many passes as fit in minutes.
OVERRIDES = (
    "start=builtin:nano",
    "labels=iemocap4",
    "training.augmentation=null",
    "phases.p1.epochs=2",
    "phases.p2.epochs=2",
    "phases.p3.epochs=30",
    "phases.p3.optimiser.learning_rate=7e-4",
    "training.evaluations=6",
)


def main() -> None:
    """Both parts, and what to type next."""
    console = Console()
    console.rule("1. nano recognises bundled recordings (synthetic speech)")
    recordings = sorted((HERE / "recordings").glob("*.flac"))
    predictions = [replace(p, path=Path(p.path).name) for p in load("nano").predict(map(as_utterance, recordings))]
    console.print(prediction_table(predictions))
    console.print("nano has heard only people; on these voices it is at chance, and too sure. See its card for people.")
    shutil.rmtree(OUT, ignore_errors=True)
    picture = OUT / "recordings.png"
    picture.parent.mkdir(parents=True)
    draw_predictions(predictions, picture, "nano on synthetic recordings")
    console.print(f"picture: {picture}")
    console.rule("2. the three phases on a mini-corpus (synthetic speech, speakers apart)")
    before, after = train_and_score(console)
    console.print(f"before: UA {before.ua:.3f}, WA {before.wa:.3f} over {before.n} test clips (chance is 0.25)")
    console.print(
        f"after:  UA {after.ua:.3f}, WA {after.wa:.3f}: nano knew people, and now knows these synthetic voices"
    )
    console.rule("3. your own recordings")
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


def train_and_score(console: Console) -> tuple[Scores, Scores]:
    """Train nano on the mini-corpus and score its test speakers before and after."""
    recipe = load_recipe("nano", OVERRIDES)
    utterances = read_manifest(HERE / "corpus" / "manifest.csv")
    test = [utterance for utterance in utterances if utterance.split == "test"]
    torch.manual_seed(recipe.training.seed)
    before = _score(Recogniser(build_model(recipe).eval(), build_processor(recipe)), test)
    run = Run(recipe, RunData.of(utterances, recipe), OUT / "run", console=console)
    run.train()
    return before, _score(load(OUT / "run"), test)


def _score(recogniser: Recogniser, utterances: list[Utterance]) -> Scores:
    predictions = recogniser.predict(utterances, batch_size=16, transcripts="given")
    reference = [utterance.emotion or "" for utterance in utterances]
    return score(reference, [prediction.label for prediction in predictions], recogniser.labels.names)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    disable_progress_bar()
    main()
