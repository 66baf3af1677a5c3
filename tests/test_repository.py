"""The rules of the repository: a true list of files, short files, commands and links that exist."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from docs import architecture
from emosllm.models.description import describe, downloads
from emosllm.recipe import load_recipe, recipe_names

ROOT = Path(__file__).parents[1]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MODELS = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
CODE = architecture.modules()


def test_the_architecture_page_lists_every_file() -> None:
    listed = set(re.findall(r"^\| `([\w/.]+\.py)` \|", ARCHITECTURE, re.MULTILINE))
    files = {str(path.relative_to(ROOT)) for path in CODE if path.name not in ("__init__.py", "__main__.py")}
    assert listed == files


def test_the_architecture_page_is_what_the_code_gives() -> None:
    assert architecture.fill(ARCHITECTURE) == ARCHITECTURE, "run make architecture"


def test_the_graph_of_packages_has_an_arrow_for_every_import_that_no_other_arrows_imply() -> None:
    assert architecture.without_implied({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {
        "a": {"b"},
        "b": {"c"},
        "c": set(),
    }
    imports = architecture.package_imports()
    assert {"inference", "training"} <= imports["cli"]
    assert "cli" not in set().union(*imports.values())


def test_the_architecture_page_names_files_that_exist() -> None:
    for name in re.findall(r"`(emosllm/[\w/.]+)`", ARCHITECTURE):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_file_says_what_it_is(path: Path) -> None:
    assert len(architecture.summary(path)) > 20


def test_the_models_page_states_each_recipes_weights_and_downloads() -> None:
    rows = dict(re.findall(r"^\| `([\w-]+)` \| [^|]+ \| ([\d,]+ \| [\d.]+ B \| [\d.]+ GB) \|", MODELS, re.MULTILINE))
    assert set(rows) == set(recipe_names()) - {"nano"}
    for name, stated in rows.items():
        found = describe(load_recipe(name))
        size = sum(download.gigabytes for download in downloads(found.recipe).values())
        assert stated == f"{found.trainable:,} | {found.total / 1e9:.2f} B | {size:.1f} GB", name


def test_the_models_page_states_each_models_size_and_licence() -> None:
    for model, known in yaml.safe_load((ROOT / "emosllm/models/downloads.yaml").read_text(encoding="utf-8")).items():
        assert f"| `{model}` | {known['gigabytes']:g} GB | {known['licence']} |" in MODELS


def test_links_of_the_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "emosllm" / "builtin").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} points at {target}"


def test_make_targets_of_the_documents_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"`make (\w+)", text)) | set(re.findall(r"^make (\w+)", text, re.MULTILINE))
        assert named <= targets, f"{page.name}: {named - targets}"


def test_no_path_of_a_machine_in_what_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".yaml", ".toml", ".json", ".txt"} and path.is_file():
            assert not re.search(r"(?<![\w.])/(?:work|root|home/\w+)/", path.read_text(encoding="utf-8")), name
