"""Free answers: an emotion is looked for in the text, what names none is counted, and both ways of asking compare."""

import pytest
import tiny
import torch

from emosllm.errors import UserError
from emosllm.inference.decoding import named_emotion
from emosllm.inference.recogniser import Recogniser
from emosllm.labels import label_set
from emosllm.models.build import build_model, build_processor
from emosllm.prompting.prompt_template import load_templates
from emosllm.utterance import Utterance

WORDS, LETTERS = load_templates("speech-words"), load_templates("default")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("joy", "happy"),
        ("The speaker shows Joy.", "happy"),
        ("I think it is sadness, not anger", "sad"),
        ("ANGER!", "angry"),
        ("angry", "angry"),
        ("happiness", "happy"),
        ("The speaker is unhappy", None),
        ("a joyless tone", None),
        ("disgusted", "disgust"),
        ("neutral", "neutral"),
        ("surprise", None),  # no class of this set
        ("The mood is calm", None),
        ("", None),
        ("I'm sorry, I can't hear anything.", None),
    ],
)
def test_a_word_is_found_wherever_it_stands(text, found):
    assert named_emotion(text, label_set("ekman6"), WORDS) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("| Emotion: A |", "angry"), ("S", "sad"), ("a sad voice", None), ("Angry", None), ("x A y S", "angry")],
)
def test_a_letter_is_found_only_as_itself(text, found):
    assert named_emotion(text, label_set("msp9"), LETTERS) == found


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    ears, mouth = tiny.folders(tmp_path_factory.mktemp("free"), llm_name="gemma", system_role=False)
    from emosllm.recipe import load_recipe

    parts = (f"encoder.model={ears}", f"llm.model={mouth}", "training.precision=float32", "mapper={kind: linear}")
    recipe = load_recipe("whisper-gemma", parts)
    torch.manual_seed(0)
    return build_model(recipe).eval(), build_processor(recipe)


def saying(monkeypatch, system, *texts, **inference):
    model, processor = system
    rows = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    longest = max(map(len, rows))
    said = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    monkeypatch.setattr(model, "generate", lambda **inputs: said)
    recogniser = Recogniser(model, processor, answer="generate")
    recogniser.inference = recogniser.inference.model_copy(update=inference)
    utterances = [Utterance(f"{row}", tiny.clip(0.5, row), transcript="Yes.") for row in range(len(texts))]
    return list(recogniser.predict(utterances))


def test_what_names_no_emotion_counts_as_the_fallback_and_is_marked(monkeypatch, system):
    named, unnamed = saying(monkeypatch, system, "anger, clearly", "I do not know")
    assert (named.label, named.unnamed, named.said) == ("angry", False, "anger, clearly")
    assert (unnamed.label, unnamed.unnamed, unnamed.said) == ("neutral", True, "I do not know")
    assert named.probabilities == {}
    assert named.confidence is None
    assert unnamed.to_dict()["unnamed"] is True


def test_without_a_fallback_it_is_no_answer(monkeypatch, system):
    (answer,) = saying(monkeypatch, system, "I do not know", fallback=None)
    assert answer.label is None
    assert answer.unnamed
    assert answer.error is None


def test_the_same_clips_can_be_scored(system):
    model, processor = system
    scored = Recogniser(model, processor)(tiny.clip(0.5), transcript="Yes.")
    assert sum(scored.probabilities.values()) == pytest.approx(1)
    assert scored.said is None
    free = Recogniser(model, processor, answer="generate")(tiny.clip(0.5), transcript="Yes.")
    assert free.said is not None
    assert free.transcript == scored.transcript == "Yes."


def test_a_system_that_reads_wants_a_transcript(system):
    with pytest.raises(UserError, match="no transcript, and this system reads one; give it in the manifest's column"):
        Recogniser(*system)(tiny.clip(0.5))


def test_a_system_that_does_not_transcribe_says_so(system, tmp_path):
    recipe = tiny.recipe(tmp_path)
    listening = Recogniser(build_model(recipe), build_processor(recipe), strategy="transcript-first")
    assert listening.strategy == "transcript-first"
    from emosllm.recipe import load_recipe

    text = load_recipe("gemma-text", (f"llm.model={recipe.llm.model}", "training.precision=float32"))
    with pytest.raises(UserError, match="strategy 'transcript-first': gemma-text does not transcribe; use ser"):
        Recogniser(build_model(text), build_processor(text), strategy="transcript-first")
