"""The command line itself: help, version, usage, and the commands that describe recipes and systems."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from commandline import emosllm

from emosllm import __version__
from emosllm.recipe import load_recipe, recipe_names

VERBS = (
    *("predict", "listen", "evaluate", "calibrate", "report", "train", "info", "prepare", "export", "serve"),
    *("samples", "sweep", "study"),
)


PUBLISHED = [name for name in recipe_names() if name != "nano"]


# --- help


@pytest.mark.parametrize(
    "words", [(), *((verb,) for verb in VERBS), ("recipes",), *(("recipes", v) for v in ("list", "show", "check"))]
)
def test_every_help_has_an_example_that_names_its_command(words):
    answer = emosllm(*words, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert f"Example: emosllm {' '.join(words)}".rstrip() in " ".join(answer.out.split())
    assert os.getcwd() not in answer.out  # noqa: PTH109
    assert os.path.expanduser("~") not in answer.out  # noqa: PTH111


def test_help_names_every_verb():
    out = emosllm("--help").out
    assert all(f" {verb} " in out for verb in (*VERBS, "recipes"))


def test_help_loads_no_torch_and_takes_less_than_a_second_of_computing():
    script = """if True:
        import atexit, resource, sys
        from emosllm.cli import main
        def tell():
            usage = resource.getrusage(resource.RUSAGE_SELF)
            print({"torch", "transformers", "pandas", "sklearn"} & set(sys.modules), file=sys.stderr)
            print(usage.ru_utime + usage.ru_stime, file=sys.stderr)
        atexit.register(tell)
        sys.argv = ["emosllm", "--help"]
        main()
    """
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded, seconds = found.stderr.splitlines()
    assert loaded == "set()"
    assert float(seconds) < 1.0


def test_python_m_emosllm_is_the_command_line_and_tells_its_version():
    command = [sys.executable, "-m", "emosllm", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{__version__}\n"


@pytest.mark.parametrize("words", [("predict", "x", "--frmat", "json"), ("predict",), ("sing",), ("info", "-q", "x")])
def test_a_wrong_word_shows_the_usage(words):
    answer = emosllm(*words)
    assert answer.code == 2
    assert "Usage: emosllm" in answer.err
    assert "Traceback" not in answer.err


def test_ctrl_c_stops_with_one_line(monkeypatch):
    def pressed():
        raise KeyboardInterrupt

    monkeypatch.setattr("emosllm.recipe.recipe_names", pressed)
    answer = emosllm("recipes", "list")
    assert (answer.code, answer.err) == (130, "emosllm: stopped\n")


# --- recipes


def test_recipes_list_names_each_with_its_title():
    lines = emosllm("recipes", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == recipe_names()
    assert all(load_recipe(line.split()[0]).title in line for line in lines)


@pytest.mark.parametrize("name", recipe_names())
def test_what_recipes_show_prints_is_that_recipe(name, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(emosllm("recipes", "show", name).out, "utf-8")
    assert load_recipe(file) == load_recipe(name)
    assert emosllm("recipes", "show", file).out == file.read_text("utf-8")


def test_recipes_show_takes_overrides():
    shown = yaml.safe_load(emosllm("recipes", "show", "emosllm", "lora.rank=16", "phases.p3.epochs=5").out)
    assert (shown["lora"]["rank"], shown["phases"]["p3"]["epochs"]) == (16, 5)
    assert shown["lora"]["alpha"] == load_recipe("emosllm").lora.alpha


def test_recipes_check_counts_every_published_recipe():
    answer = emosllm("recipes", "check", *PUBLISHED)
    assert answer.code == 0
    assert [line.split(":")[0] for line in answer.out.splitlines()] == PUBLISHED
    assert "emosllm: 22,424,320 trained" in answer.out


def test_info_json_has_the_promised_keys():
    for name in PUBLISHED:
        answer = emosllm("info", name, "--format", "json")
        assert (answer.code, answer.err) == (0, "")
        found = json.loads(answer.out)
        counts, parts = found["parameters"], found["parameters"]["parts"]
        recipe = load_recipe(name)
        assert set(parts) == {part for part in ("encoder", "mapper", "llm", "lora", "head") if getattr(recipe, part)}
        assert counts["total"] == sum(part["total"] for part in parts.values()) > 1e7
        assert counts["trainable"] == sum(part["trainable"] for part in parts.values())
        assert not any(parts[part]["trainable"] for part in ("encoder", "llm") if part in parts)
        assert found["training_memory_bytes"]["total"] > counts["total"]
        assert list(found["downloads"]) == recipe.models
        assert found["assumed"] == list(recipe.assumed)


def test_info_follows_overrides(parts):
    def lora(*overrides):
        answer = emosllm("info", "emosllm", *parts, *overrides, "--format", "json")
        return json.loads(answer.out)["parameters"]["parts"]["lora"]["total"]

    assert lora("lora.rank=16") == 2 * lora("lora.rank=8")


def test_info_table_tells_parts_memory_and_what_was_assumed():
    answer = emosllm("info", "emosllm")
    assert answer.code == 0
    for words in ("microsoft/wavlm-large", "22,424,320", "training memory", "paper: accuracy = 0.497", "assumed: "):
        assert words in answer.out


def test_brackets_in_a_recipe_are_brackets_on_the_screen(parts, tmp_path):
    (tmp_path / "mine.yaml").write_text('include: emosllm\ntitle: "[/red] mine"\nassumed: ["[bold]"]\ntrainable: null')
    answer = emosllm("info", tmp_path / "mine.yaml", *parts)
    assert answer.code == 0
    assert "[/red] mine" in answer.out
    assert "assumed: [bold]" in answer.out
