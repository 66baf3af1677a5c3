"""The prompt has all parts that the recipe needs, random in training and constant without a generator."""

import itertools
import re

import numpy as np
import pytest
import yaml

from emosllm.labels import LETTERS, label_set
from emosllm.prompting.conversation import AUDIO, build_conversation, without_markup
from emosllm.prompting.prompt_template import load_templates
from emosllm.recipe_parts import PromptPart

TEMPLATES = load_templates("default")
MSP9 = label_set("msp9")
TASKS = ("asr", "ser", "joint")
SAID = "I never said that."


def ask(task="joint", rng=None, templates=TEMPLATES, labels=MSP9, prompt=None, **known):
    known = {"transcript": SAID, "emotion": "sad", **known}
    return build_conversation(task, templates, PromptPart(**(prompt or {})), labels, rng=rng, **known)


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("asr", f"| ASR: {SAID} |"),
        ("ser", "| Emotion: S |"),
        ("joint", f"| ASR: {SAID} | Emotion: S |"),
    ],
)
def test_answers_are_in_the_papers_format(task, answer):
    assert ask(task).text == answer


@pytest.mark.parametrize("task", TASKS)
def test_spans_hold_the_transcript_and_the_letter_and_nothing_else(task):
    spans = {kind: "".join(s.text for s in ask(task).answer if s.kind == kind) for kind in ("transcript", "emotion")}
    assert spans["transcript"] == ("" if task == "ser" else f" {SAID}")
    assert spans["emotion"] == ("" if task == "asr" else " S")


@pytest.mark.parametrize("task", TASKS)
def test_all_ten_prompts_are_drawn(task):
    rng = np.random.default_rng(0)
    drawn = {prompt for _ in range(200) for prompt in TEMPLATES.tasks[task] if prompt in ask(task, rng).user}
    assert drawn == set(TEMPLATES.tasks[task])


def test_without_a_generator_the_first_of_each_is_taken():
    prompt = {"cues": "praat", "gender": True}
    known = {"cues": {"pitch": "low", "jitter": "high"}, "gender": "male", "prompt": prompt}
    assert ask(**known) == ask(**known)
    assert ask(**known).user == (
        f"Recording: {AUDIO}\n"
        "The speaker is male.\n"
        "Measured in this voice: pitch low, jitter high.\n"
        "Emotion codes: A angry, S sad, H happy, U surprise, F fear, D disgust, C contempt, N neutral, O other.\n"
        "First write down what is said, then give the emotion code.\n"
        "The reply must look like this:\n"
        "| ASR: You promised me that you would be here. | Emotion: A |"
    )


def test_the_same_seed_draws_the_same():
    assert ask(rng=np.random.default_rng(7)) == ask(rng=np.random.default_rng(7))


def options(conversation):
    return re.findall(r"\b([A-Z]) (\w+)", re.search("Emotion codes: (.*)\\.", conversation.user)[1])


def test_the_emotions_order_is_shuffled_and_nothing_is_lost():
    rng = np.random.default_rng(0)
    orders = [options(ask("ser", rng)) for _ in range(20)]
    assert len({tuple(order) for order in orders}) > 15
    assert {frozenset(order) for order in orders} == {frozenset((LETTERS[name], name) for name in MSP9.names)}


@pytest.mark.parametrize("rng", [None, np.random.default_rng(0)])
def test_the_order_is_the_label_sets_where_the_recipe_or_inference_wants_none(rng):
    prompt = {"shuffle_emotions": rng is None}
    assert [name for _, name in options(ask("ser", rng, prompt=prompt))] == list(MSP9.names)


def test_only_the_emotions_that_may_be_answered_are_offered():
    narrow = MSP9.only(["sad", "happy"])
    conversation = ask("ser", labels=narrow, prompt={"examples": 2})
    assert options(conversation) == [("S", "sad"), ("H", "happy")]
    assert set(re.findall(r"\| Emotion: (\w) \|", conversation.user)) <= {"S", "H"}


def test_the_prompt_of_transcription_lists_no_emotions():
    assert "Emotion codes" not in ask("asr").user


@pytest.mark.parametrize(("task", "count"), itertools.product(TASKS, (0, 1, 2)))
def test_as_many_examples_as_the_recipe_says_in_the_answers_format(task, count):
    pattern = re.escape(TEMPLATES.answers[task]).replace(r"\{transcript\}", "[^|]+").replace(r"\{emotion\}", "[A-Z]")
    for rng in (None, np.random.default_rng(0)):
        lines = ask(task, rng, prompt={"examples": count}).user.splitlines()
        assert sum(bool(re.fullmatch(pattern, line)) for line in lines) == count
        assert ("The reply must look like this:" in lines) == (count > 0)


def test_examples_differ_from_sample_to_sample():
    rng = np.random.default_rng(0)
    assert len({ask(rng=rng).user.splitlines()[-1] for _ in range(50)}) == len(TEMPLATES.examples)


def test_cues_are_stated_in_any_order_after_any_opening():
    rng = np.random.default_rng(0)
    cues = {"loudness": "low", "pitch": "high", "pitch range": "medium"}
    users = [ask("ser", rng, prompt={"cues": "praat"}, cues=cues).user for _ in range(60)]
    told = [re.search(r": ((?:[a-z ]+ (?:low|medium|high)(?:, )?){3})\.", user)[1] for user in users]
    assert {frozenset(one.split(", ")) for one in told} == {
        frozenset(f"{name} {level}" for name, level in cues.items())
    }
    assert len(set(told)) == 6
    assert {intro for intro in TEMPLATES.cues_intro for user in users if intro.partition("{")[0] in user} == set(
        TEMPLATES.cues_intro
    )


def test_hints_are_stated_only_if_the_recipe_has_them_and_they_are_known():
    known = {"cues": {"pitch": "low"}, "gender": "female"}
    bare = ask().user
    assert ask(**known).user == bare
    assert ask(prompt={"cues": "praat", "gender": True}).user == bare
    assert ask(prompt={"cues": "praat", "gender": True}, cues={}).user == bare
    assert "The speaker is female." in ask(prompt={"gender": True}, **known).user


def test_a_transcript_can_be_given_in_the_prompt():
    assert f"The words of the recording are: {SAID}\n" in ask("ser", hint=SAID).user
    assert SAID not in ask("ser").user


def test_without_a_clip_there_is_no_place_for_one():
    assert ask().user.count(AUDIO) == 1
    assert "Recording" not in ask(audio=False).user
    assert AUDIO not in ask(audio=False).user


@pytest.mark.parametrize(
    ("task", "kind", "left"),
    [
        ("asr", "transcript", "| ASR:"),
        ("ser", "emotion", "| Emotion:"),
        ("joint", "transcript", "| ASR:"),
        ("joint", "emotion", f"| ASR: {SAID} | Emotion:"),
    ],
)
def test_an_answer_can_be_cut_before_a_span(task, kind, left):
    assert ask(task).before(kind).text == left


def test_another_emotion_changes_only_the_letter():
    assert ask().with_emotion("U").text == ask(emotion="surprise").text
    assert ask(emotion=None).with_emotion("U").text == ask(emotion="surprise").text


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("a | b", "a b"),
        ("  two\n\nlines\t", "two lines"),
        ("nul\0byte\x1b[31m", "nul byte [31m"),
        (f"x{AUDIO}y", "x audio y"),
        ("Zażółć gęślą jaźń, Übermut?", "Zażółć gęślą jaźń, Übermut?"),
        ("| Emotion: A |", "Emotion: A"),
        ("{emotion} {audio}", "{emotion} {audio}"),
    ],
)
def test_a_transcript_cannot_pass_for_markup(raw, told):
    assert without_markup(raw) == told
    conversation = ask(transcript=raw, hint=raw)
    assert conversation.text == f"| ASR: {told} | Emotion: S |"
    assert f"are: {told}\n" in conversation.user
    assert conversation.user.count(AUDIO) == 1


def test_a_users_own_prompts_may_put_the_emotion_first(tmp_path):
    tree = {**TEMPLATES.model_dump(mode="json"), "system": "Mine."}
    tree["answers"]["joint"] = "<{emotion}> {transcript}"
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tree))
    conversation = ask(templates=load_templates(str(path)))
    assert conversation.system == "Mine."
    assert [(span.text, span.kind) for span in conversation.answer] == [
        ("<", "format"),
        ("S", "emotion"),
        (">", "format"),
        (f" {SAID}", "transcript"),
    ]
    assert f"<A> {TEMPLATES.examples[0][0]}" in conversation.user
