"""SpeechLLM's computations the plain way: one whole row at a time, with transformers' own forward pass."""

from functools import partial

import torch

from emosllm.prompting.processor import Sample

IGNORED = -100


def whole(model, processor, sample, closed=True):
    """One sample: embeddings of the whole prompt `[1, L, D]`, and its labels."""
    tokens = processor.chat.encode(sample.conversation, closed)
    embed = partial(torch.nn.functional.embedding, weight=model.get_input_embeddings().weight)
    scale = model.get_input_embeddings()(torch.tensor([7]))[0, 0] / model.get_input_embeddings().weight[7, 0]
    parts = [embed(torch.tensor(tokens.head, dtype=torch.long)) * scale]
    if sample.samples is not None:
        parts += [model.audio_embeddings(**processor.features([sample.samples]))]
    parts += [embed(torch.tensor(tokens.tail, dtype=torch.long)) * scale]
    before = sum(len(part) for part in parts[:-1])
    labels = [token if kind else IGNORED for token, kind in zip(tokens.tail, tokens.kinds, strict=True)]
    return torch.cat(parts)[None], torch.tensor([[IGNORED] * before + labels])


def plain_loss(model, processor, rows):
    """The loss by transformers, one row at a time, weighted by each row's number of answer tokens."""
    total, count = 0.0, 0
    for sample in rows:
        embeddings, labels = whole(model, processor, sample)
        answers = int((labels != IGNORED).sum())
        total = total + model.llm(inputs_embeds=embeddings, labels=labels).loss * answers
        count += answers
    return total / count


@torch.no_grad()
def brute_force(model, processor, sample, words):
    """Log-likelihood of each whole answer with each word in it, by a plain forward pass, normalised over the words."""
    totals = []
    for word in words:
        embeddings, labels = whole(model, processor, Sample(sample.conversation.with_emotion(word), sample.samples))
        log_probs = model.llm(inputs_embeds=embeddings).logits[0, :-1].float().log_softmax(-1)
        answers = labels[0, 1:] != IGNORED
        totals.append(log_probs[answers].gather(1, labels[0, 1:][answers][:, None]).sum())
    return torch.stack(totals).log_softmax(-1)


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
