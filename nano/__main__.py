"""Rebuild nano from speech, text and Whisper's weights: encoder, language model, three phases, figures, card.

    python -m nano --data FOLDER --models FOLDER

Every step writes its result to runs/nano and is skipped if the result exists. All choices are made on val and with one
corpus left out. Only the last step uses test, once. `emosllm/builtin/nano/README.md` describes the data folder; the
folder of models contains whisper-base.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from emosllm.corpora.manifest import read_manifest
from emosllm.files import atomic_folder, write_atomically
from emosllm.inference.stored_calibration import write_calibration
from emosllm.models.checkpoints.locations import BUILTIN
from emosllm.recipe import Recipe, load_recipe
from emosllm.training.run import Run
from emosllm.training.run_data import RunData
from nano import left_out
from nano.card import card, fill
from nano.figures import figures

WORK = Path("runs/nano")
BUILTINS = Path("emosllm/builtin")
FIGURES = Path("docs/results/nano.json")
RESULTS = Path("docs/results.md")
PARTS = ("config.json", "model.safetensors", "preprocessor_config.json", "pretraining.json", "LICENSE")
TEXTS = ("tokenizer.json", "tokenizer_config.json", "processor_config.json", "chat_template.jinja")


def main(
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv and text/goemotions.")],
    models: Annotated[Path, typer.Option(help="Folder of models with whisper-base.")],
    threads: Annotated[int, typer.Option(help="Cores to use.")] = 2,
) -> None:
    """Run the steps whose results are missing."""
    manifest = data / "manifest.csv"
    _step("encoder", "nano.encoder", "--models", models)
    _step("llm", "nano.pretrain_llm", "--data", manifest, "--text", data / "text/goemotions", "--threads", threads)
    for part in ("encoder", "llm"):
        _install(WORK / part, f"nano-{part}")
    recipe = load_recipe("nano")
    assert recipe.encoder is not None
    assert recipe.encoder.model.startswith(BUILTIN), "the recipe trains on what was just installed"
    run = WORK / "run"
    if not (run / "model" / "config.json").is_file():
        data_of_run = RunData.of(read_manifest(manifest), recipe)
        Run(recipe, data_of_run, run, WORK / "features").train(resume=(run / "run.json").is_file())
    _install(run / "model", "nano")
    shutil.copy(run / "run.json", BUILTINS / "nano" / "training.json")
    carried = _leave_out(manifest, recipe)
    write_atomically(FIGURES, json.dumps(figures(manifest, WORK / "features") | carried, indent=2) + "\n")
    figured = json.loads(FIGURES.read_text(encoding="utf-8"))
    write_atomically(BUILTINS / "nano" / "README.md", card(figured))
    write_atomically(RESULTS, fill(RESULTS.read_text(encoding="utf-8"), figured))


def _leave_out(manifest: Path, recipe: Recipe) -> dict[str, object]:
    """Train nano without each corpus, fit its temperatures on the answers, and return their figures."""
    systems = {
        corpus: left_out.train_without(corpus, manifest, recipe, WORK / f"without-{corpus}", WORK / "features")
        for corpus in left_out.CORPORA
    }
    plain, adapted = left_out.ask(systems, manifest, recipe, WORK / "features")
    fitted = left_out.fit(plain, adapted, recipe, manifest.name)
    assert fitted.adapted is not None
    write_calibration(fitted, BUILTINS / "nano" / "calibration.json")
    return {
        "left_out": left_out.figures(plain, recipe, fitted.temperature),
        "left_out_adapted": left_out.figures(adapted, recipe, fitted.adapted),
        "temperatures": {"plain": fitted.temperature, "adapted": fitted.adapted},
    }


def _step(name: str, module: str, *arguments: object) -> None:
    """Run a module that writes one folder, unless the folder is complete."""
    if not (WORK / name / "config.json").is_file():
        options = [str(argument) for argument in arguments]
        subprocess.run([sys.executable, "-m", module, *options, "--out", str(WORK / name)], check=True)


def _install(folder: Path, name: str) -> None:
    """Copy only the files that a builtin needs."""
    with atomic_folder(BUILTINS / name, marker="config.json") as builtin:
        for file in folder.iterdir():
            if file.name in PARTS + TEXTS:
                shutil.copy(file, builtin)


if __name__ == "__main__":
    typer.run(main)
