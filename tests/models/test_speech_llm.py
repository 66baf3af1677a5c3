"""What SpeechLLM reads once, or in one pass, gives the loss and the gradients of the plain way."""

import pytest
import tiny
import torch
from plain_way import IGNORED, gradients, plain_loss, whole
from speech_llms import learn, samples, written

from emosllm.models import speech_llm
from emosllm.models.build import build_model
from emosllm.prompting.processor import Sample


@pytest.fixture
def prefixes_read(monkeypatch):
    """Record the prefixes that are computed."""
    seen, read = [], speech_llm.read_prefix

    def counted(llm, prefix):
        seen.append(tuple(prefix.tolist()))
        return read(llm, prefix)

    monkeypatch.setattr(speech_llm, "read_prefix", counted)
    return seen


# What all rows share is read once.


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma", "gemma2", "gemma3", "mistral", "granite"])
@pytest.mark.parametrize("rows", [samples, written])
def test_loss_and_gradients_are_the_plain_ways(make, prefixes_read, name, rows):
    model, processor = make(name)
    batch = processor(rows(processor))
    assert len(batch["prefix_ids"]) > 20
    loss = model(**batch).loss
    loss.backward()
    fast = gradients(model)
    assert prefixes_read
    model.zero_grad()
    expected = plain_loss(model, processor, rows(processor))
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    slow = gradients(model)
    learned = {name.split(".")[0] for name in slow}
    assert learned == ({"llm", "mapper"} if rows is samples else {"llm"})
    assert fast.keys() == slow.keys()
    for parameter, gradient in slow.items():
        torch.testing.assert_close(fast[parameter], gradient, rtol=1e-3, atol=1e-5, msg=parameter)
        in_sight = rows is written or not getattr(model.llm.config, "sliding_window", None)  # of the answer
        assert not in_sight or gradient.abs().max() > 0, parameter


def test_a_frozen_llm_reads_the_prefix_once_a_run(make, prefixes_read):
    model, processor = make()
    learn(model, llm=False)
    model.train()
    batches = [processor(samples(processor, task)) for task in ("asr", "joint", "ser")]
    losses = [model(**batch).loss for batch in batches]
    losses[0].backward()
    assert len(prefixes_read) == 1
    plain = [plain_loss(model, processor, samples(processor, task)) for task in ("asr", "joint", "ser")]
    torch.testing.assert_close(losses, plain, rtol=1e-5, atol=1e-5)


def test_another_prefix_is_computed_again(make, prefixes_read):
    model, processor = make()
    learn(model, llm=False)
    batch = processor(samples(processor))
    model(**batch)
    batch["prefix_ids"] = batch["prefix_ids"].flip(0)
    flipped = model(**batch).loss
    assert len(prefixes_read) == 2
    model(**processor(samples(processor)))
    assert flipped != model(**processor(samples(processor))).loss


def test_a_learning_llm_reads_the_prefix_in_every_batch(make, prefixes_read):
    model, processor = make()
    model.train()
    batch = processor(samples(processor))
    for _ in range(3):
        model(**batch)
    assert len(prefixes_read) == 3


@pytest.mark.parametrize("how", ["optimiser", "load_state_dict"])
def test_changed_weights_are_never_met_by_a_stale_prefix(make, how):
    model, processor = make("qwen3")
    rows = samples(processor)
    learn(model, llm=False)
    before = model(**processor(rows)).loss  # the prefix is kept now
    learn(model)
    if how == "optimiser":
        model.train()
        model(**processor(rows)).loss.backward()
        torch.optim.SGD([p for p in model.parameters() if p.grad is not None], lr=0.5).step()
        model.eval()
    else:
        model.load_state_dict({name: w + 0.05 if ".lora_" in name else w for name, w in model.state_dict().items()})
    learn(model, llm=False)
    with torch.no_grad():
        after, expected = model(**processor(rows)).loss, plain_loss(model, processor, rows)
    assert abs(after - before) > 1e-3
    torch.testing.assert_close(after, expected, rtol=1e-5, atol=1e-5)


def test_a_prefix_kept_in_inference_mode_does_no_harm_in_training(make):
    model, processor = make()
    learn(model, llm=False)
    with torch.inference_mode():
        model(**processor(samples(processor)))
    model.train()
    model(**processor(samples(processor))).loss.backward()
    assert gradients(model)


def test_a_moved_model_computes_its_prefix_again(make, prefixes_read):
    model, processor = make("mistral")
    learn(model, llm=False)
    batch = processor(samples(processor))
    for move in (model.double, model.float):
        model(**batch)
        move()
    assert len(prefixes_read) == 2


@pytest.mark.parametrize("shared", [True, False])
def test_gradient_checkpointing_changes_no_gradient(make, shared):
    model, processor = make("gemma2")
    model.train()
    batch = processor(samples(processor))
    if not shared:
        del batch["prefix_ids"]  # rows that begin alike for a few tokens only
    model(**batch).loss.backward()
    expected = gradients(model)
    model.zero_grad()
    model.activation_checkpointing_enable()
    assert model.llm.is_activation_checkpointing
    model(**batch).loss.backward()
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-5, msg=name)


# The loss is computed on the answer alone.


def test_gathered_logits_are_those_of_the_answers_in_reading_order(make):
    model, processor = make("gemma2")
    rows = samples(processor)
    logits = model(**processor(rows), return_logits=True).logits
    expected = []
    for sample in rows:
        embeddings, labels = whole(model, processor, sample)
        answers = labels[0, 1:] != IGNORED
        expected.append(model.llm(inputs_embeds=embeddings).logits[0, :-1][answers])
    torch.testing.assert_close(logits, torch.cat(expected), rtol=1e-4, atol=1e-4)


def test_logits_are_returned_only_on_request(make):
    model, processor = make()
    assert model(**processor(samples(processor))).logits is None


def test_the_output_layer_sees_answers_only(make):
    model, processor = make()
    batch = processor(samples(processor))
    seen = []
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    model(**batch)
    hook.remove()
    assert seen == [(int((batch["labels"] != IGNORED).sum()), model.llm.config.hidden_size)]


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_transcript_tokens_have_the_recipes_weight(make, weight):
    model, processor = make()
    rows = samples(processor, weight=weight)
    output = model(**processor(rows), return_logits=True)
    kinds = [kind for row in rows for kind in processor.chat.encode(row.conversation).kinds if kind]
    ids = torch.cat([labels[labels != IGNORED] for labels in processor(rows)["labels"]])
    losses = torch.nn.functional.cross_entropy(output.logits, ids, reduction="none")
    weights = torch.tensor([weight if kind == "transcript" else 1.0 for kind in kinds])
    torch.testing.assert_close(output.loss, (losses * weights).sum() / len(kinds))
    assert kinds.count("transcript") > 10


def test_accumulated_micro_batches_are_one_big_batch(make):
    model, processor = make()
    rows = samples(processor)
    count = int((processor(rows)["labels"] != IGNORED).sum())
    pieces = [model(**processor([row]), num_items_in_batch=torch.tensor(count)).loss for row in rows]
    torch.testing.assert_close(sum(pieces), model(**processor(rows)).loss, rtol=1e-5, atol=1e-5)


def test_without_labels_there_is_no_loss(make):
    model, processor = make()
    assert model(**processor(samples(processor), closed=False)).loss is None


def test_frames_from_the_cache_give_the_loss_of_the_recording(make):
    model, processor = make()
    rows = samples(processor)
    hidden, mask = model.encoder(*processor.features([row.samples for row in rows]).values())
    cached = [
        Sample(row.conversation, frames=clip[keep].numpy()) for row, clip, keep in zip(rows, hidden, mask, strict=True)
    ]
    torch.testing.assert_close(model(**processor(cached)).loss, model(**processor(rows)).loss, rtol=1e-5, atol=1e-5)


def test_rows_with_and_without_a_clip_share_a_batch(make):
    model, processor = make()
    rows = [*samples(processor), *written(processor)]
    torch.testing.assert_close(model(**processor(rows)).loss, plain_loss(model, processor, rows), rtol=1e-5, atol=1e-5)


# Training mode.


def test_dropout_runs_only_where_something_learns(make):
    model, _ = make()
    learn(model, llm=False)
    model.train()
    assert model.mapper.training
    assert not model.llm.training
    learn(model)
    model.train()
    assert model.llm.training
    assert not model.encoder.training


def test_a_new_model_trains_mapper_and_adapters_alone(tmp_path):
    model = build_model(tiny.recipe(tmp_path))
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == model.trained_names()
    assert {name.split(".")[0] for name in learning} == {"mapper", "llm"}
