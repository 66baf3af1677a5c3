"""The house keeps its own rules: a true map, small rooms, commands that exist."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from emosllm.models.description import describe, downloads
from emosllm.recipe import load_recipe, names

ROOT = Path(__file__).parents[1]
CODE = [path for top in ("emosllm", "nano", "demo", "bench", "papers") for path in sorted((ROOT / top).rglob("*.py"))]


def first_line(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert doc, f"{path} says nowhere what it is"
    return " ".join(doc.split("\n\n")[0].split())


def test_the_readme_maps_every_file() -> None:
    mapped = set(re.findall(r"^\| `([\w/.]+\.py)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    files = {str(path.relative_to(ROOT)) for path in CODE if path.name not in ("__init__.py", "__main__.py")}
    assert mapped == files


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_file_says_what_it_is(path: Path) -> None:
    assert len(first_line(path)) > 20


def test_the_readme_states_each_recipes_weights_and_downloads() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \| [^|]+ \| ([\d,]+ \| [\d.]+ B \| [\d.]+ GB) \|", text, re.MULTILINE))
    assert set(rows) == set(names()) - {"nano"}
    for name, stated in rows.items():
        found = describe(load_recipe(name))
        size = sum(download.gigabytes for download in downloads(found.recipe).values())
        assert stated == f"{found.trainable:,} | {found.total / 1e9:.2f} B | {size:.1f} GB", name


def test_the_readme_states_each_models_size_and_licence() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for model, known in yaml.safe_load((ROOT / "emosllm/models/downloads.yaml").read_text(encoding="utf-8")).items():
        assert f"| `{model}` | {known['gigabytes']:g} GB | {known['licence']} |" in text


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
