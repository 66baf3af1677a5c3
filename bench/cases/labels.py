"""Labels of several tokens: the whole prompt is read for each label, as in evaluation harnesses, or only once."""

from functools import partial

import torch

from bench import plain_transformers
from bench.case import Case, Pair
from bench.sizes import Setting
from bench.systems import PairOfSystems, speech_system, synthetic_clip, with_multi_token_labels
from emosllm.prompting.processor import Sample, SpeechProcessor
from emosllm.prompting.token_rows import IGNORED

_SECONDS = 3.7


def _several(setting: Setting) -> Pair:
    return labels(setting, 0)


def labels(setting: Setting, count: int) -> Pair:
    """One clip whose labels are words of several tokens.

    Args:
        setting: device and size.
        count: number of labels; all nine of EmoSLLM's if 0.
    """
    layers = setting.layers or setting.sizes.layers_long
    systems = PairOfSystems(partial(speech_system, setting, layers))
    processor = with_multi_token_labels(systems.processor)
    wanted = processor.labels.only(processor.labels.names[:count]) if count else processor.labels
    clip = synthetic_clip(_SECONDS, 0)
    question = processor.build_conversation("ser", emotion=wanted.names[0], labels=wanted)
    sample = Sample(question, samples=clip)
    batch = processor.for_labels([sample], wanted)
    assert processor.chat is not None
    tokens, named = processor.chat.candidates([question.with_emotion(_word(processor, name)) for name in wanted.names])

    @torch.inference_mode()
    def plain_way() -> torch.Tensor:
        """Log-probability of each label, from one whole row for each label."""
        model = systems.published
        vector = plain_transformers.vectors_of(model, processor, [clip])[0]
        embed = model.get_input_embeddings()
        before, after = (embed(torch.tensor(ids, device=model.device)) for ids in (tokens.head, tokens.tail))
        prompt = torch.cat([before, vector.to(before.dtype), after])
        ends = [torch.tensor(ids, device=model.device) for ids in named]
        rows = [torch.cat([prompt, embed(ids)]) for ids in ends]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(row)) for row in rows], batch_first=True)
        with plain_transformers.as_published(model.llm):
            logits = model.llm(inputs_embeds=padded, attention_mask=mask.long().to(model.device)).logits
        first = len(prompt) - 1
        scores = [
            logits[row, first : first + len(ids)].float().log_softmax(-1).gather(1, ids[:, None]).sum()
            for row, ids in enumerate(ends)
        ]
        return torch.stack(scores).log_softmax(-1).cpu()

    def ours() -> torch.Tensor:
        with torch.inference_mode():
            fresh = processor.for_labels([sample], wanted).to(systems.ready.device)
            return systems.ready.score(**fresh)[0].cpu()

    # Compare numbers, not labels: the largest probability of nine, and those of the others.
    limit = 1e-3 if setting.sizes.dtype == torch.float32 else 0.1

    def compare(plain_way: torch.Tensor, ours: torch.Tensor) -> dict[str, float]:
        apart = float((plain_way.exp() - ours.exp()).abs().max())
        assert apart <= limit, f"probabilities differ by {apart:.3g}"
        return {"labels": len(ours), "probability_differs_by": apart}

    longest = int((batch["candidates"] != IGNORED).sum(-1).max())
    facts = {"layers": layers, "labels": len(wanted.names), "tokens_of_the_longest_label": longest}
    facts |= {"prefix_tokens": len(batch["prefix_ids"]), "other_tokens": batch["input_ids"].shape[1]}
    build = {"before_plain": lambda: systems.published, "before_ours": lambda: systems.ready}
    return Pair(plain_way, ours, compare, 1, facts, **build)


def _word(processor: SpeechProcessor, name: str) -> str:
    assert processor.settings.templates is not None
    return processor.settings.templates.code(name)


CASES = (Case("several-token-labels", "nine labels of several tokens, scored whole, for one clip", _several),)
