"""Two questions: the transcript is generated up to its bar, the emotion is scored; three strategies, three prompts."""

import pytest
import tiny
import torch

from emosllm.inference.decoding import _BarSeen, emotion_question, score_emotions, transcribe
from emosllm.labels import label_set
from emosllm.models.build import build_model, build_processor
from emosllm.models.llms.lora import lora_layers
from emosllm.prompting.processor import Sample

SAID = "The door is open."


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    recipe = tiny.recipe(tmp_path_factory.mktemp("asked"))
    torch.manual_seed(0)
    model = build_model(recipe).eval()
    for layer in lora_layers(model.llm):
        torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.1)
    return model, build_processor(recipe)


def asked(processor, strategy, transcript=SAID, labels="msp9"):
    return emotion_question(processor, strategy, transcript, label_set(labels))


def letters(conversation):
    """The emotion's span of an answer is where labels are scored."""
    return [span.text for span in conversation.answer if span.kind == "emotion"]


@pytest.mark.parametrize(
    ("strategy", "in_prompt", "answer"),
    [
        ("ser", False, "| Emotion: A |"),
        ("transcript-in-prompt", True, "| Emotion: A |"),
        ("transcript-first", False, f"| ASR: {SAID} | Emotion: A |"),
    ],
)
def test_a_strategy_puts_the_transcript_in_its_place(system, strategy, in_prompt, answer):
    conversation = asked(system[1], strategy)
    assert (SAID in conversation.user) is in_prompt
    assert conversation.text == answer
    assert letters(conversation) == [" A"]


def test_the_strategies_ask_three_different_questions(system):
    asked_for = {
        strategy: asked(system[1], strategy) for strategy in ("ser", "transcript-in-prompt", "transcript-first")
    }
    assert len({conversation.user for conversation in asked_for.values()}) == 3


@pytest.mark.parametrize("shuffled", [True, False])
def test_few_labels_are_listed_where_training_shuffled_the_list_and_all_where_it_did_not(tmp_path, shuffled):
    recipe = tiny.recipe(tmp_path, "emosllm", f"prompt.shuffle_emotions={str(shuffled).lower()}")
    few = emotion_question(build_processor(recipe), "ser", None, label_set("msp9").only(["sad", "happy"]))
    assert ("contempt" in few.user) is not shuffled
    assert "sad" in few.user


@pytest.mark.parametrize("transcript", [None, ""])
@pytest.mark.parametrize("strategy", ["ser", "transcript-in-prompt", "transcript-first"])
def test_nothing_said_can_be_asked_too(system, strategy, transcript):
    model, processor = system
    sample = Sample(asked(processor, strategy, transcript), tiny.clip(0.5))
    (probabilities,) = score_emotions(model, processor, [sample], processor.labels)
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_only_the_narrowed_emotions_are_offered_and_scored(system):
    model, processor = system
    few = processor.labels.only(["sad", "angry"])
    question = emotion_question(processor, "ser", None, few)
    assert "happy" not in question.user
    (narrow,) = score_emotions(model, processor, [Sample(question, tiny.clip(0.5))], few)
    assert list(narrow) == ["angry", "sad"]
    assert sum(narrow.values()) == pytest.approx(1, abs=1e-5)


def test_scores_depend_on_what_is_heard_and_on_what_is_said(system):
    model, processor = system
    questions = [
        Sample(asked(processor, "transcript-first", said), tiny.clip(0.6, seed))
        for said, seed in ((SAID, 0), (SAID, 1), ("No.", 0))
    ]
    one, other_voice, other_words = score_emotions(model, processor, questions, processor.labels)
    assert one != pytest.approx(other_voice, rel=1e-3)
    assert one != pytest.approx(other_words, rel=1e-3)


def ids(processor, *texts):
    return torch.tensor([processor.tokenizer(text, add_special_tokens=False)["input_ids"][-1:] for text in texts])


def test_a_bar_closes_a_transcript_and_nothing_else_does(system):
    _, processor = system
    seen = _BarSeen(processor)(ids(processor, "words |", "words|", "words", "I", "/"), torch.empty(0))
    assert seen.tolist() == [True, True, False, False, False]


def saying(monkeypatch, system, *texts):
    """Let the model generate these texts."""
    model, processor = system
    rows = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    longest = max(map(len, rows))
    said = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    monkeypatch.setattr(model, "generate", lambda **inputs: said)
    question = processor.build_conversation("joint")
    return transcribe(model, processor, [Sample(question, tiny.clip(0.5))] * len(texts), 20)


def test_a_transcript_ends_at_its_bar_and_is_one_clean_line(monkeypatch, system):
    heard = saying(monkeypatch, system, " kids are | Emotion: A |", " two\nlines  here", " |", "", " end<|end|>")
    assert heard == ["kids are", "two lines here", "", "", "end"]


@pytest.mark.parametrize("texts", [1, 3])
def test_generation_stops_at_the_bar(monkeypatch, system, texts):
    model, processor = system
    bar = ids(processor, "words |")[0, 0]
    steps = []

    def always_a_bar(module, inputs, output):
        steps.append(1)
        output[..., bar] = 1e4
        return output

    hook = model.get_output_embeddings().register_forward_hook(always_a_bar)
    try:
        rows = [Sample(processor.build_conversation("asr"), tiny.clip(0.4 + 0.2 * seed, seed)) for seed in range(texts)]
        assert transcribe(model, processor, rows, 50) == [""] * texts
    finally:
        hook.remove()
    assert len(steps) == 1


@pytest.mark.parametrize("most", [1, 5])
def test_a_transcript_is_never_longer_than_allowed(system, most):
    model, processor = system
    (text,) = transcribe(model, processor, [Sample(processor.build_conversation("asr"), tiny.clip(0.5))], most)
    assert len(processor.tokenizer(text)["input_ids"]) <= most + 1


@pytest.mark.parametrize("task", ["asr", "joint"])
def test_what_a_row_is_asked_says_nothing_of_its_own_answer(system, task, monkeypatch):
    model, processor = system
    told = []
    monkeypatch.setattr(model, "generate", lambda **inputs: told.append(inputs) or torch.zeros(1, 1, dtype=torch.long))
    sample = Sample(processor.build_conversation(task, transcript=SAID, emotion="sad"), tiny.clip(0.5))
    transcribe(model, processor, [sample], 5)
    assert "labels" not in told[0]
    text = processor.tokenizer.decode(told[0]["input_ids"][0])
    assert text.endswith("| ASR:")
    assert SAID not in text
