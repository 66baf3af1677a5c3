"""Files of recipes: deltas over a shipped recipe, includes, and files that are refused."""

import re

import pytest
from refusals import refusal

from emosllm.recipe import load_recipe


@pytest.fixture
def write(tmp_path):
    def file(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return file


def test_a_users_file_is_a_delta_over_a_shipped_recipe(write):
    path = write(
        "mine.yaml", "include: emosllm\nname: mine\nlora: {rank: 4}\nphases: {p1: {optimiser: {learning_rate: 1e-3}}}"
    )
    recipe = load_recipe(path)
    assert (recipe.name, recipe.lora.rank, recipe.lora.alpha) == ("mine", 4, 16)
    assert recipe.phases["p1"].optimiser.learning_rate == 1e-3


def test_an_include_is_looked_for_beside_its_file(write):
    write("sub/base.yaml", "include: emosllm\ntitle: Base")
    assert load_recipe(write("sub/mine.yaml", "include: base.yaml")).title == "Base"


def test_an_empty_mapping_clears(write):
    assert load_recipe(write("mine.yaml", "include: emosllm\npaper: {}")).paper == {}
    assert load_recipe("emosllm").paper != {}


def test_a_list_replaces(write):
    assert load_recipe(write("mine.yaml", "include: emosllm\nassumed: [one]")).assumed == ("one",)


def test_recipes_that_include_each_other_are_refused(write):
    write("b.yaml", "include: a.yaml")
    message = refusal(load_recipe, str(write("a.yaml", "include: b.yaml")))
    assert re.search(r"includes itself: .*/a\.yaml -> .*/b\.yaml -> .*/a\.yaml", message)
    assert "includes itself" in refusal(load_recipe, str(write("c.yaml", "include: c.yaml")))


def test_two_files_of_one_name_in_two_folders_are_no_circle(write):
    write("other/base.yaml", "include: emosllm\ntitle: Two folders")
    write("other/middle.yaml", "include: base.yaml")
    write("here/base.yaml", "include: ../other/middle.yaml")
    assert load_recipe(write("here/mine.yaml", "include: base.yaml")).title == "Two folders"


@pytest.mark.parametrize("content", ["lora: [", "a: b: c", b"\xff\xfe\x00", "\tname: x"])
def test_broken_yaml_is_refused(write, content):
    assert "mine.yaml is not YAML: " in refusal(load_recipe, str(write("mine.yaml", content)))


@pytest.mark.parametrize("content", ["", "- emosllm", "emosllm"])
def test_what_is_no_mapping_is_refused(write, content):
    message = refusal(load_recipe, str(write("mine.yaml", content)))
    assert "mine.yaml is not a mapping of keys to values" in message


def test_a_missing_part_is_named(write):
    assert "mine.yaml: 'title' is missing" in refusal(load_recipe, str(write("mine.yaml", "name: mine")))


@pytest.mark.parametrize("name", ["emosslm", "missing.yaml", "some/where.yaml", "../emosllm", "."])
def test_an_unknown_recipe_lists_the_known_ones(name):
    form = f"no recipe '{re.escape(name)}'.*: known are .*emosllm, .*or give the path of a .yaml file"
    assert re.search(form, refusal(load_recipe, name))
