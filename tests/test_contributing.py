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
TITLES = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)
PLACE = re.compile(r"`(\w+)`\s+(?:in|of)\s+`([\w/.]+\.py)`")
LINE = re.compile(r'add `("[\w.-]+"(?:: [\w.]+)?,|\w+,)`\s+to\s+`(\w+)`\s+in\s+`([\w/.]+)`')


def section(title: str) -> str:
    return TEXT.partition(f"\n### {title}\n")[2].partition("\n### ")[0]


def example(title: str) -> str:
    """The code block of a section, which is indented as part of a list."""
    block = re.search(r"^( *)```\w+\n(.*?)^ *```$", section(title), re.MULTILINE | re.DOTALL)
    assert block is not None
    return textwrap.dedent(block[2])


def written(root: Path, title: str, path: str) -> None:
    """Write the code block of a section into a new file of the copy."""
    assert f"`{path}`" in section(title)
    (root / path).write_text(example(title), encoding="utf-8")


def inserted(root: Path, path: str, before: str, line: str) -> None:
    """Insert a line into a file of the copy, after a place that the pattern `before` finds."""
    code = (root / path).read_text(encoding="utf-8")
    place = re.search(before, code, re.MULTILINE)
    assert place is not None, (path, before)
    (root / path).write_text(f"{code[: place.end()]}{line}{code[place.end() :]}", encoding="utf-8")


def registered(root: Path, title: str) -> None:
    """Add the one line that a section shows to the table that it names."""
    ((line, name, path),) = LINE.findall(section(title))
    inserted(root, path, rf"^{name}\b[^=\n]*= *\w*[\[({{]\n?", f"    {line}\n")


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
    assert [title for title in TITLES if not PLACE.findall(section(title))] == ["A recipe"]
    for name, path in set(PLACE.findall(TEXT)):
        names = set()
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
        assert name in names, (name, path)


def test_every_addition_of_code_is_registered_in_one_line() -> None:
    others = {"A recipe", "Other data"}
    assert {title: len(LINE.findall(section(title))) for title in TITLES if title not in others} == {
        "A corpus": 1,
        "An encoder": 1,
        "A mapper": 1,
        "An LLM, and a published layout": 1,
        "A cue set": 1,
        "A metric": 1,
        "An export format of timelines": 1,
        "A server route": 1,
    }


def test_every_path_exists_or_is_the_examples_own() -> None:
    paths = set(re.findall(r"`((?:emosllm|tests|docs)/[\w/.-]+)`", TEXT))
    missing = {path for path in paths if not (ROOT / path).exists()}
    assert missing == {
        "emosllm/corpora/readers/mine.py",
        "emosllm/models/mappers/mine.py",
        "emosllm/models/published/mine.py",
        "emosllm/prompting/cues/mine.py",
        "emosllm/recipes/mine.yaml",
    }


def test_the_example_of_a_corpus_is_prepared(copy: Path) -> None:
    written(copy, "A corpus", "emosllm/corpora/readers/mine.py")
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


def test_the_example_of_an_encoder_gives_a_clip_alone_and_in_a_batch_the_same_frames(copy: Path) -> None:
    registered(copy, "An encoder")
    script = """
        import torch
        from transformers import UniSpeechSatConfig
        from emosllm.models.backbones import new_encoder
        from emosllm.models.encoders.encoder import SpeechEncoder
        sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
        stem = dict(conv_dim=[16, 16], conv_kernel=[10, 8], conv_stride=[10, 8], feat_extract_norm="layer")
        encoder = SpeechEncoder(new_encoder(UniSpeechSatConfig(do_stable_layer_norm=True, **sizes, **stem))).eval()
        audio, mask = torch.randn(2, 4000), torch.arange(4000)[None] < torch.tensor([[4000], [2000]])
        frames, keep = encoder(audio * mask, mask.long())
        alone, _ = encoder(audio[1:, :2000], mask[1:, :2000].long())
        torch.testing.assert_close(frames[1][keep[1]], alone[0], rtol=1e-4, atol=1e-5)
        print(keep.sum(-1).tolist())
    """
    assert run(copy, "-c", textwrap.dedent(script)) == "[50, 25]\n"


def test_the_example_of_a_mapper_is_described_and_maps(copy: Path) -> None:
    written(copy, "A mapper", "emosllm/models/mappers/mine.py")
    registered(copy, "A mapper")
    script = """
        import torch
        from emosllm.models.build import audio_vectors
        from emosllm.models.description import describe
        from emosllm.models.mappers import new_mapper
        from emosllm.recipe import load_recipe
        recipe = load_recipe("emosllm", ["mapper={kind: mine, bias: false}"])
        print(describe(recipe).parts["mapper"])
        print(audio_vectors(recipe).of_frames(100))
        frames, mask = torch.ones(1, 3, 8), torch.tensor([[True, True, False]])
        mapper = new_mapper(recipe.mapper, 8, 4)
        print([tuple(each.shape) for each in mapper(frames * mask[..., None], mask)])
    """
    part, clip, shapes = run(copy, "-c", textwrap.dedent(script)).splitlines()
    assert part.startswith("PartCount(what='mine', shape='one layer on the mean', total=")
    assert (clip, shapes) == ("1", "[(1, 1, 4), (1, 1)]")


def test_the_example_of_a_cue_set_is_chosen_and_measured(copy: Path) -> None:
    written(copy, "A cue set", "emosllm/prompting/cues/mine.py")
    registered(copy, "A cue set")
    script = """
        import numpy as np
        from emosllm.prompting.cues import Thresholds, measure_all
        from emosllm.recipe import load_recipe
        cues = load_recipe("nano", ["prompt.cues=mine"]).prompt.cues
        measured = measure_all(cues, [np.array([0.0, -size]) for size in (0.25, 0.5, 1.0)])
        print(Thresholds.fit(cues, measured).describe(measured[2]))
    """
    assert run(copy, "-c", textwrap.dedent(script)) == "{'peak': 'high'}\n"


def test_the_example_of_a_metric_is_a_score_with_an_interval_and_a_choice_of_recipes(copy: Path) -> None:
    path = "emosllm/evaluation/metrics.py"
    field = re.search(r"`(worst_recall: float)`", section("A metric"))
    assert field is not None
    inserted(copy, path, r"^    weighted_f1: float\n", f"    {field[1]}\n")
    inserted(copy, path, r"^METRICS: .*{\n", textwrap.indent(example("A metric"), "    "))
    registered(copy, "A metric")
    script = """
        from emosllm.evaluation.metrics import score
        from emosllm.evaluation.statistics.bootstrap import bootstrap_by_speaker
        from emosllm.recipe import load_recipe
        from emosllm.reporting.report_text import NAMES
        name = load_recipe("nano", ["training.choose_by=worst_recall"]).training.choose_by
        clips, labels = (["sad", "sad", "angry", "sad"], ["sad", "angry", "angry", "sad"]), ("angry", "happy", "sad")
        interval = bootstrap_by_speaker(*clips, ["a", "a", "b", "b"], labels)[name]
        print(NAMES[name], round(getattr(score(*clips, labels), name), 3), interval.low, interval.high)
    """
    assert run(copy, "-c", textwrap.dedent(script)) == "worst recall 0.667 0.5 1.0\n"


def test_the_example_of_an_export_format_is_written(copy: Path) -> None:
    title = "An export format of timelines"
    lines = copy / "emosllm" / "timeline" / "exports" / "lines.py"
    lines.write_text(lines.read_text(encoding="utf-8") + "\n\n" + example(title), encoding="utf-8")
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
