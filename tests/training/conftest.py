"""Fixtures for the tests of training: the bundled corpus, and EmoSLLM with tiny parts."""

from pathlib import Path

import pytest
import tiny

from emosllm.corpora.manifest import read_manifest
from emosllm.models.build import build_model
from emosllm.recipe import load_recipe
from emosllm.training import run as run_module
from emosllm.training.run import Run
from emosllm.training.run_data import RunData

MANIFEST = Path(__file__).parents[2] / "demo" / "corpus" / "manifest.csv"
SMALL = (
    "labels=iemocap4",
    "phases.p3.corpora=null",
    *(f"phases.{name}.optimiser.batch_size=4" for name in ("p1", "p2", "p3")),
    "phases.p3.epochs=1",
    "training={save_every: 2, evaluations: 1}",
)


@pytest.fixture(scope="session")
def utterances():
    """Twelve training and four validation utterances, with every emotion in both."""
    found = read_manifest(MANIFEST)
    return [u for u in found if u.split == "train"][::6] + [u for u in found if u.split == "val"][::5]


@pytest.fixture(scope="session")
def make_recipe(tmp_path_factory):
    ears, mouth = tiny.folders(tmp_path_factory.mktemp("backbones"))

    def make(*overrides):
        return load_recipe("emosllm", (f"encoder.model={ears}", f"llm.model={mouth}", *tiny.TINY, *SMALL, *overrides))

    return make


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One cache for all runs, since their encoder is the same."""
    return tmp_path_factory.mktemp("frames")


@pytest.fixture(scope="session")
def make_run(make_recipe, utterances, cache):
    def make(folder, *overrides, data=utterances):
        recipe = make_recipe(*overrides)
        return Run(recipe, RunData.of(data, recipe), folder, cache)

    return make


@pytest.fixture(scope="session")
def plain(tmp_path_factory, make_run):
    """A run that was never stopped, and the model that was trained in it."""
    folder = tmp_path_factory.mktemp("plain") / "run"
    built = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "build_model", lambda recipe: built.append(build_model(recipe)) or built[0])
        make_run(folder).train()
    return folder, built[0]
