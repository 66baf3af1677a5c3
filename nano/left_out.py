"""nano without one corpus: trained on two of RAVDESS, EMO-DB and nEMO, to be tested on every clip of the third.

Speakers of a corpus that is left out were recorded in another room, with another microphone, in another language: what
a user's recordings are to nano. Gives up: validation; the weights after the last update are taken.
"""

from dataclasses import replace
from pathlib import Path

from emosllm.corpora.manifest import read_manifest
from emosllm.recipe import Recipe
from emosllm.training.run import Run
from emosllm.training.run_data import RunData
from emosllm.utterance import Utterance

CORPORA = ("ravdess", "emodb", "nemo")


def train_without(corpus: str, manifest: Path, recipe: Recipe, folder: Path, cache: Path) -> Path:
    """Train nano on everything but one corpus.

    Args:
        corpus: the one that is left out.
        manifest: the data with a column `corpus`.
        recipe: nano's.
        folder: of the run; one that is there is taken up.
        cache: of the encoder's frames.

    Returns:
        The folder of the trained system.
    """
    others = [replace(u, split="train") for u in read_manifest(manifest) if u.corpus != corpus]
    run = Run(recipe, RunData.of(others, recipe), folder, cache)
    return run.train(resume=(folder / "run.json").is_file())


def clips_of(corpus: str, manifest: Path, recipe: Recipe) -> list[Utterance]:
    """All clips of a corpus whose class other corpora have too."""
    utterances, classify = read_manifest(manifest), recipe.label_set.classify
    elsewhere = {classify(u.emotion) for u in utterances if u.corpus in CORPORA and u.corpus != corpus} - {None}
    return [u for u in utterances if u.corpus == corpus and classify(u.emotion) in elsewhere]
