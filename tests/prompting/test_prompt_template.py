"""Prompt templates: the packaged ones are complete, and a user's own are loaded or refused in one line."""

import re
from importlib.resources import files

import pytest
import yaml
from refusals import refusal

from emosllm.labels import LABEL_SETS, LETTERS
from emosllm.prompting.prompt_template import load_templates

TASKS = ("asr", "ser", "joint")
SHIPPED = files("emosllm.prompting") / "prompts" / "default.yaml"


@pytest.fixture
def own(tmp_path):
    """The shipped prompts with changes, as a user's file: `own(audio="...")`; `None` leaves a field out."""

    def write(**changes) -> str:
        tree = {**yaml.safe_load(SHIPPED.read_text(encoding="utf-8")), **changes}
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({key: value for key, value in tree.items() if value is not None}))
        return str(path)

    return write


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_ten_different_prompts(task):
    assert len(set(load_templates("default").tasks[task])) == len(load_templates("default").tasks[task]) == 10


def test_the_answers_are_the_papers():
    assert load_templates("default").answers == {
        "asr": "| ASR: {transcript} |",
        "ser": "| Emotion: {emotion} |",
        "joint": "| ASR: {transcript} | Emotion: {emotion} |",
    }


def test_cues_have_five_openings():
    assert len(set(load_templates("default").cues_intro)) == 5


@pytest.mark.parametrize("labels", [name for name, known in LABEL_SETS.items() if set(known.names) <= set(LETTERS)])
def test_every_label_set_has_examples_to_choose_from(labels):
    emotions = [emotion for _, emotion in load_templates("default").examples]
    assert len(emotions) == len(set(emotions))
    assert len(set(emotions) & set(LABEL_SETS[labels].names)) >= 2


def test_a_users_own_file_is_read(own):
    assert load_templates(own(system="Listen.")).system == "Listen."


def test_unknown_prompts_list_the_known_ones():
    form = "no prompts 'nope': known are default, .*or give the path of a YAML file"
    assert re.search(form, refusal(load_templates, "nope"))


@pytest.mark.parametrize("content", [b"tasks: [", b"\xff\xfe\x00broken", b"a: b: c"])
def test_what_is_not_yaml_is_refused(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    message = refusal(load_templates, str(path))
    assert str(path) in message
    assert "are not YAML" in message


@pytest.mark.parametrize("content", ["", "- a list", "just words"])
def test_what_is_no_mapping_is_refused(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    message = refusal(load_templates, str(path))
    assert "mine.yaml: Input should be a valid dictionary" in message
    assert ": : " not in message


WHOLE = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tasks": None}, "mine.yaml: tasks: Field required"),
        ({"sytem": "typo"}, "mine.yaml: sytem: Extra inputs are not permitted"),
        ({"tasks": {**WHOLE["tasks"], "ser": []}}, "tasks.ser has no prompt"),
        ({"tasks": {"asr": ["a"], "ser": ["b"]}}, "tasks.joint has no prompt"),
        ({"words": {"angry": "x", "sad": "x"}}, "words: two emotions have the same word"),
        ({"tasks": {**WHOLE["tasks"], "sex": ["c"]}}, "tasks.sex"),
        ({"answers": {**WHOLE["answers"], "ser": "| Emotion |"}}, "answers.ser must hold {emotion} once"),
        ({"answers": {**WHOLE["answers"], "asr": "{transcript} {emotion}"}}, "answers.asr must not hold {emotion}"),
        ({"answers": {**WHOLE["answers"], "joint": "{emotion}"}}, "answers.joint must hold {transcript} once"),
        (
            {"answers": {**WHOLE["answers"], "asr": "{transcript} {transcript}"}},
            "answers.asr must hold {transcript} once",
        ),
        ({"answers": {"asr": "{transcript}", "ser": "{emotion}"}}, "answers.joint must hold {transcript} once"),
        ({"audio": "Here it is"}, "audio must hold {audio} once"),
        ({"audio": "{audio} and {audio}"}, "audio must hold {audio} once"),
        ({"options": "Choose."}, "options must hold {options} once"),
        ({"transcript_hint": "words"}, "transcript_hint must hold {transcript} once"),
        ({"examples_intro": "Like this:"}, "examples_intro must hold {examples} once"),
        ({"gender_hint": "It is a person."}, "gender_hint must hold {gender} once"),
        ({"cues_intro": []}, "cues_intro: Tuple should have at least 1 item"),
        ({"cues_intro": ["{cues}", "none"]}, "cues_intro must hold {cues} once"),
        ({"cue": "{name}"}, "cue must hold {level} once"),
        ({"examples": [["Oh!", "surprised"]]}, "examples: unknown emotion 'surprised'; known are angry, sad"),
        ({"examples": [["Oh!"]]}, "examples.0.1: Field required"),
    ],
)
def test_an_incomplete_file_is_refused(own, changes, words):
    assert words in refusal(load_templates, own(**changes))


def test_every_placeholder_that_is_used_is_explained():
    text = SHIPPED.read_text(encoding="utf-8")
    explained = text.partition("# Placeholders:")[2].partition("\n\n")[0]
    for field in ("audio", "options", "transcript", "examples", "cues", "gender", "emotion", "name", "level"):
        assert f"{{{field}}}" in explained, field
