"""SpeechLLM's faster computations equal the plain ones: loss, gradients, scores and text."""

from dataclasses import replace

import pytest
import tiny
import torch
from plain_way import IGNORED, brute_force, gradients, plain_loss, whole
from torch.utils._python_dispatch import TorchDispatchMode

from emosllm.labels import label_set
from emosllm.models import speech_llm
from emosllm.models.build import build_model, build_processor
from emosllm.models.llms.lora import lora_layers
from emosllm.prompting.processor import Sample, SpeechProcessor

SAID = ("Put it on the table.", "No, and I never will, whatever you say!", "Well")


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Systems by their LLM's name: `make("gemma2")` gives a model, its adapters no longer zero, and its processor."""
    built = {}

    def system(llm="llama", **parts):
        key = (llm, *parts.items())
        if key not in built:
            recipe = tiny.recipe(tmp_path_factory.mktemp(llm), "emosllm", llm_name=llm, **parts)
            torch.manual_seed(1)
            model = build_model(recipe)
            for layer in lora_layers(model.llm):
                torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.1)
            built[key] = model, build_processor(recipe)
        model, processor = built[key]
        model.zero_grad()
        model.activation_checkpointing_disable()
        learn(model)
        return model.eval(), processor

    return system


def learn(model, llm=True):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("mapper.") or (llm and ".lora_" in name))


def samples(processor, task="joint", weight=1.0):
    emotions = ("angry", "sad", "happy")
    return [
        Sample(
            processor.converse(task, transcript=text, emotion=emotion),
            tiny.clip(0.4 + 0.3 * seed, seed),
            transcript_weight=weight,
        )
        for seed, (text, emotion) in enumerate(zip(SAID, emotions, strict=True))
    ]


def written(processor, task="joint"):
    return [Sample(processor.converse(task, audio=False, transcript=text, emotion="sad", hint=text)) for text in SAID]


@pytest.fixture
def prefixes_read(monkeypatch):
    """Record the prefixes that are computed."""
    seen, read = [], speech_llm.read_prefix

    def counted(llm, prefix):
        seen.append(tuple(prefix.tolist()))
        return read(llm, prefix)

    monkeypatch.setattr(speech_llm, "read_prefix", counted)
    return seen


# 1. The prefix that all rows share is read once.


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


# 2. The loss is computed only on the answer.


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


# 3. Labels are scored.

FOUR = label_set("iemocap4")
WORDS = {"sad": "sad", "fear": "sadness", "happy": "sadly so", "angry": "angry", "neutral": "x"}
FIVE = label_set("msp9").only(WORDS)  # the first word begins two of the others


def in_words(processor):
    """The same system with emotions named by words of several tokens instead of letters."""
    templates = processor.settings.templates.model_copy(update={"words": WORDS})
    settings = processor.settings.model_copy(update={"templates": templates})
    return SpeechProcessor(processor.feature_extractor, processor.tokenizer, settings)


@pytest.mark.parametrize("name", ["llama", "gemma2", "gemma3", "mistral", "granite"])
@pytest.mark.parametrize("rows", [samples, written])
@pytest.mark.parametrize("task", ["ser", "joint"])
def test_labels_of_several_tokens_score_their_whole_likelihood(make, name, rows, task):
    model, processor = make(name)
    batch = in_words(processor).for_labels(rows(processor, task), FIVE)
    lengths = (batch["candidates"] != IGNORED).sum(-1)
    assert lengths.min() < lengths.max()
    scores = model.score(**batch)
    torch.testing.assert_close(scores.exp().sum(-1), torch.ones(3))
    expected = torch.stack(
        [brute_force(model, processor, row, [WORDS[name] for name in FIVE.names]) for row in rows(processor, task)]
    )
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_labels_of_one_token_score_that_tokens_likelihood(make, name):
    model, processor = make(name)
    rows = samples(processor)
    batch = processor.for_labels(rows, FOUR)
    assert batch["candidates"].shape == (3, 4, 1)
    scores = model.score(**batch)
    for row, sample in enumerate(rows):
        embeddings, _ = whole(model, processor, Sample(sample.conversation.before("emotion"), sample.samples), False)
        with torch.no_grad():
            logits = model.llm(inputs_embeds=embeddings).logits[0, -1]
        ids = [processor.tokenizer(f" {letter}")["input_ids"][-1] for letter in FOUR.letters]
        torch.testing.assert_close(scores[row], logits[ids].log_softmax(-1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("labels", [FOUR, FIVE])
@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_a_batch_scores_what_its_rows_score_alone(make, name, labels):
    model, processor = make(name)
    rows = samples(processor)
    processor = in_words(processor) if labels is FIVE else processor
    together = model.score(**processor.for_labels(rows, labels))
    for row, sample in enumerate(rows):
        alone = model.score(**processor.for_labels([sample], labels))
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("worded", [False, True])
def test_the_loss_over_classes_is_weighted_cross_entropy_over_the_scores(make, worded):
    model, processor = make()
    plain = samples(processor)
    processor, labels = (in_words(processor), FIVE) if worded else (processor, FOUR)
    rows = [replace(row, target=index, class_weight=1 + index) for index, row in enumerate(plain)]
    batch = processor.for_labels(rows, labels)
    weights = torch.tensor([1.0, 2.0, 3.0])
    expected = (-model.score(**processor.for_labels(plain, labels)).diag() * weights).sum() / 3
    output = model(**batch, return_logits=True)
    torch.testing.assert_close(output.loss, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model(**batch, num_items_in_batch=6).loss, expected / 2, rtol=1e-5, atol=1e-5)
    output.loss.backward()
    fast = gradients(model)
    assert {name.partition(".")[0] for name in fast} == {"mapper", "llm"}
    model.zero_grad()
    singly = sum(model(**processor.for_labels([row], labels)).loss for row in rows) / 3
    singly.backward()
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(fast[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_scores_depend_on_the_voice(make):
    model, processor = make()
    conversation = processor.converse("ser", emotion="angry")
    rows = [Sample(conversation, tiny.clip(0.5, seed)) for seed in range(2)]
    first, second = model.score(**processor.for_labels(rows))
    assert (first - second).abs().max() > 1e-4


def test_a_single_label_is_certain(make):
    model, processor = make()
    scores = model.score(**processor.for_labels(samples(processor), processor.labels.only(["angry"])))
    torch.testing.assert_close(scores, torch.zeros(3, 1))


# Generation.


def until_end(ids, processor):
    ids = ids.tolist()
    end = processor.tokenizer.eos_token_id
    return ids[: ids.index(end)] if end in ids else ids


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma2", "gemma3", "mistral"])
def test_generation_of_a_batch_is_that_of_its_rows_and_the_plain_way(make, name):
    model, processor = make(name)
    rows = [Sample(row.conversation.before("transcript"), row.samples) for row in samples(processor)]
    rows.append(Sample(samples(processor)[1].conversation.before("emotion"), rows[1].samples))  # a longer prefix
    greedy = {"max_new_tokens": 12, "do_sample": False}
    together = model.generate(**processor(rows, closed=False), **greedy)
    for row, sample in enumerate(rows):
        alone = model.generate(**processor([sample], closed=False), **greedy)[0]
        embeddings, _ = whole(model, processor, sample, closed=False)
        plain = model.llm.generate(inputs_embeds=embeddings, attention_mask=torch.ones(embeddings.shape[:2]), **greedy)
        assert until_end(together[row], processor) == until_end(alone, processor) == until_end(plain[0], processor)
    assert len({tuple(row.tolist()) for row in together}) > 1


class _Spread(TorchDispatchMode):
    """Count how often one weight is copied for a batch."""

    def __init__(self, weight):
        super().__init__()
        self.place, self.times = weight.data_ptr(), 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.times += function is torch.ops.aten.expand.default and args[0].data_ptr() == self.place
        return function(*args, **kwargs or {})


def test_no_token_that_is_generated_copies_the_output_layer(make):
    model, processor = make()
    rows = [Sample(row.conversation.before("transcript"), row.samples) for row in samples(processor)]
    with _Spread(model.get_output_embeddings().weight) as watched:
        model.generate(**processor(rows, closed=False), max_new_tokens=3, do_sample=False)
    assert watched.times == 0


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
