"""The README is correct: its Python code with its output, its commands, and those of the guides."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from emosllm import cli
from emosllm.corpora.samples import STEMS, write_samples
from papers.commands import read_command

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "emodb"
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = [(ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("data", "recordings")]
MODELS = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")  # commands on corpora and weights that are not here
LIVE = ("emosllm serve", "emosllm listen")  # these do not end by themselves; tests/serving and tests/timeline run them
SHORT = [f"phases.{phase}.epochs=0.05" for phase in ("p1", "p2", "p3")]


def commands() -> list[str]:
    lines = re.findall(r"^(?: {4})?(emosllm [^#\n]*?) *(?:#.*)?$", README, re.MULTILINE)
    for guide in GUIDES:
        lines += re.findall(r"^ {4}(emosllm [^#\n]*?) *(?:#.*)?$", guide, re.MULTILINE)
    return sorted({line for line in lines if not line.startswith(LIVE)})


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with the files that the documents name: recordings, a manifest, a run."""
    shutil.copytree(ROOT / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name in ("interview.wav", "new.wav"):
        shutil.copy(ROOT / "demo" / "recordings" / "synthetic_sad_1.flac", tmp_path / name)
    shutil.copytree(ROOT / "demo" / "recordings", tmp_path / "recordings")
    manifest = (ROOT / "demo" / "corpus" / "manifest.csv").read_text(encoding="utf-8")
    for name in ("mine.csv", "manifest.csv"):
        (tmp_path / name).write_text(manifest.replace("clips/", "demo/corpus/clips/"), encoding="utf-8")
    shutil.copytree(ROOT / "emosllm" / "builtin" / "nano", tmp_path / "runs" / "mine" / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_documents_show_commands() -> None:
    assert len(commands()) >= 10


def test_the_readme_is_short_and_so_is_the_file_of_its_picture() -> None:
    assert len(README.splitlines()) <= 200
    assert (ROOT / "docs" / "timeline.png").stat().st_size <= 80_000


def test_the_commands_of_the_readme_read_files_that_a_clone_has() -> None:
    found = 0
    for command in re.findall(r"^(emosllm [^#\n]*)", README, re.MULTILINE):
        inputs = re.sub(r"--(out|picture) \S+", "", command)
        for path in re.findall(r"\S+\.(?:wav|flac|csv)|\S*recordings\S*", inputs):
            assert (ROOT / path).exists(), command
            found += 1
    assert found >= 7


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_documents_works(command: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command.split(">")[0])
    if words[1] == "train":
        shutil.rmtree(desk / "runs")
        words += SHORT
    if words[1] == "report":
        evaluation = "emosllm evaluate nano --data demo/corpus/manifest.csv --split test --labels present --out report"
        monkeypatch.setattr("sys.argv", evaluation.split())
        with pytest.raises(SystemExit):
            cli.main()
    if words[1] == "samples":  # from a copy, as tests have no network
        words += ["--from", str(miniature_emodb(desk))]
    if words[1] == "prepare" and "FOLDER" in words:
        words[words.index("FOLDER")] = str(miniature_ravdess(desk))
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code


@pytest.mark.parametrize("command", re.findall(r"^(emosllm [^#\n]*?) *(?:#.*)?$", MODELS, re.MULTILINE))
def test_the_command_line_reads_the_commands_for_the_published_systems(command: str) -> None:
    words = shlex.split(command)
    assert read_command(command).verb == words[1]


def miniature_ravdess(desk: Path) -> Path:
    actor = desk / "FOLDER" / "Actor_01"
    actor.mkdir(parents=True)
    shutil.copy(ROOT / "demo" / "recordings" / "synthetic_sad_1.flac", actor / "03-01-04-01-01-01-01.flac")
    return actor.parent


def miniature_emodb(desk: Path) -> Path:
    (desk / "EMO-DB" / "wav").mkdir(parents=True)
    for stem in STEMS:
        shutil.copy(ROOT / "demo" / "recordings" / "synthetic_sad_1.flac", desk / "EMO-DB" / "wav" / f"{stem}.flac")
    return desk / "EMO-DB"


def test_the_first_example_prints_what_the_readme_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, output = re.findall(r"```(?:python|text)\n(.*?)```", README, re.DOTALL)[:2]
    if not REAL.is_dir():
        pytest.skip("the real recording of the example is not here")
    write_samples(tmp_path / "samples", REAL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == output


def test_the_notebook_runs_from_top_to_bottom(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = json.loads((ROOT / "docs" / "first-recording.ipynb").read_text(encoding="utf-8"))
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
            assert not cell["outputs"]  # outputs would become outdated
    assert "not/there.wav None not/there.wav does not exist" in capsys.readouterr().out
