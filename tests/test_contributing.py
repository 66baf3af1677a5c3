"""CONTRIBUTING.md is correct: its places of registration exist, and its examples work in a copy of the package."""

import ast
import csv
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LINE = re.compile(r'`("[\w.]+": [\w.]+,)`\s+to\s+`(\w+)`\s+in\s+`([\w/.]+)`')


def section(title: str) -> str:
    return TEXT.partition(f"\n### {title}\n")[2].partition("\n### ")[0]


def example(title: str) -> str:
    """The code block of a section, which is indented as part of a list."""
    block = re.search(r"^( *)```\w+\n(.*?)^ *```$", section(title), re.MULTILINE | re.DOTALL)
    assert block is not None
    return textwrap.dedent(block[2])


def registered(root: Path, title: str) -> None:
    """Add the lines that a section shows to the dicts that it names."""
    lines = LINE.findall(section(title))
    assert lines
    for line, name, path in lines:
        code = (root / path).read_text(encoding="utf-8")
        begun = re.search(rf"^{name}\b.*?{{\n", code, re.MULTILINE | re.DOTALL)
        assert begun is not None
        (root / path).write_text(f"{code[: begun.end()]}    {line}\n{code[begun.end() :]}", encoding="utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a copy of the package that a test may change."""
    shutil.copytree(ROOT / "emosllm", tmp_path / "emosllm", ignore=shutil.ignore_patterns("builtin", "__pycache__"))
    return tmp_path


def run(root: Path, *arguments: str) -> str:
    """Python in the folder of the copy, with its output."""
    found = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_every_place_of_registration_exists() -> None:
    places = set(re.findall(r"`(\w+)`\s+(?:in|of)\s+`([\w/.]+\.py)`", TEXT))
    assert len(places) >= 25
    for name, path in places:
        names = set()
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
        assert name in names, (name, path)


def test_every_path_exists_or_is_the_examples_own() -> None:
    paths = set(re.findall(r"`((?:emosllm|tests|docs)/[\w/.-]+)`", TEXT))
    missing = {path for path in paths if not (ROOT / path).exists()}
    assert missing == {"emosllm/corpora/readers/mine.py", "emosllm/recipes/mine.yaml"}


def test_the_example_of_a_corpus_is_prepared(copy: Path) -> None:
    (copy / "emosllm" / "corpora" / "readers" / "mine.py").write_text(example("A corpus"), encoding="utf-8")
    registry = copy / "emosllm" / "corpora" / "__init__.py"
    code = registry.read_text(encoding="utf-8")
    begun = "from emosllm.corpora.readers import (\n"
    assert begun in code
    registry.write_text(code.replace(begun, f"{begun}    mine,\n"), encoding="utf-8")
    registered(copy, "A corpus")
    (copy / "FOLDER").mkdir()
    for name in ("01_happy", "02_sad"):
        shutil.copy(ROOT / "demo" / "recordings" / "synthetic_sad_1.flac", copy / "FOLDER" / f"{name}.flac")
    command = re.search(r"`emosllm (prepare mine [^`]+)`", section("A corpus"))
    assert command is not None
    run(copy, "-m", "emosllm", *command[1].split())
    with (copy / "mine.csv").open(encoding="utf-8", newline="") as file:
        assert [row["emotion"] for row in csv.DictReader(file)] == ["happy", "sad"]


def test_the_example_of_a_recipe_is_checked(copy: Path) -> None:
    (copy / "emosllm" / "recipes" / "mine.yaml").write_text(example("A recipe"), encoding="utf-8")
    assert "`emosllm recipes check mine`" in section("A recipe")
    assert run(copy, "-m", "emosllm", "recipes", "check", "mine").startswith("mine: 10,509,316 trained of")


def test_the_example_of_an_export_format_is_written(copy: Path) -> None:
    title = "An export format of timelines"
    lines = copy / "emosllm" / "timeline" / "exports" / "lines.py"
    lines.write_text(lines.read_text(encoding="utf-8") + "\n\n" + example(title), encoding="utf-8")
    registry = copy / "emosllm" / "timeline" / "exports" / "__init__.py"
    code = registry.read_text(encoding="utf-8")
    begun = "from emosllm.timeline.exports.lines import "
    assert begun in code
    registry.write_text(code.replace(begun, f"{begun}tsv, "), encoding="utf-8")
    registered(copy, title)
    script = """
        from pathlib import Path
        from emosllm.timeline.exports import check_export, EXPORTS
        from emosllm.timeline.segments import Segment
        from types import SimpleNamespace
        check_export(Path("turns.tsv"))
        print(EXPORTS[".tsv"](SimpleNamespace(segments=[Segment(1.0, 2.5, "sad"), Segment(3.0, 4.0)])), end="")
    """
    assert run(copy, "-c", textwrap.dedent(script)) == "1.000\t2.500\tsad\n3.000\t4.000\t\n"
