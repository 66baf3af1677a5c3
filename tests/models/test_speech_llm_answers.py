"""Scores of labels and generated text of SpeechLLM are those of the plain way, alone and in a batch."""

from dataclasses import replace

import pytest
import tiny
import torch
from plain_way import IGNORED, brute_force, gradients, whole
from speech_llms import samples, written
from torch.utils._python_dispatch import TorchDispatchMode

from emosllm.labels import label_set
from emosllm.prompting.processor import Sample, SpeechProcessor

# Labels are scored.

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
    conversation = processor.build_conversation("ser", emotion="angry")
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
