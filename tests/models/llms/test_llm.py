"""A shared prefix and the rows after it give the same states as whole sequences, for every causal LM."""

import pytest
import tiny
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from emosllm.models.llms.llm import output_logits, prepare, read_prefix, read_rows, repeat_cache, select_rows

P, LENGTHS = 24, (9, 5, 7)  # longer than the sliding window of the families that have one, so that it matters


@pytest.fixture(scope="module", params=tiny.LLMS)
def llm(request):
    return tiny.llm(request.param).eval()


@pytest.fixture(scope="module")
def ids():
    torch.manual_seed(0)
    high = len(tiny.tokenizer())
    prefix = torch.randint(6, high, (P,))
    rows = torch.randint(6, high, (len(LENGTHS), max(LENGTHS)))
    mask = (torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]).long()
    return prefix, rows, mask


@torch.no_grad()
def whole(llm, sequence):
    """Hidden states and logits of one sequence, computed by transformers."""
    hidden = llm.get_decoder()(input_ids=sequence[None]).last_hidden_state[0]
    return hidden, llm(input_ids=sequence[None]).logits[0]


@torch.no_grad()
def test_rows_after_a_prefix_equal_whole_sequences(llm, ids):
    prefix, rows, mask = ids
    cache = repeat_cache(read_prefix(llm, prefix), len(rows))
    hidden, _ = read_rows(llm, llm.get_input_embeddings()(rows), mask, cache)
    for row, length in enumerate(LENGTHS):
        expected, logits = whole(llm, torch.cat([prefix, rows[row, :length]]))
        torch.testing.assert_close(hidden[row, :length], expected[P:], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(output_logits(llm, hidden[row, :length]), logits[P:], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_rows_without_a_prefix_equal_whole_sequences(llm, ids):
    _, rows, mask = ids
    hidden, cache = read_rows(llm, llm.get_input_embeddings()(rows), mask, None)
    assert cache is None
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(hidden[row, :length], whole(llm, rows[row, :length])[0], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_continuation_of_padded_rows_equals_whole_sequences(llm, ids):
    prefix, rows, mask = ids
    _, cache = read_rows(llm, llm.get_input_embeddings()(rows), mask, repeat_cache(read_prefix(llm, prefix), len(rows)))
    more = torch.randint(6, 90, (4, 3))
    order = torch.tensor([1, 1, 0, 2])
    past = torch.cat([mask.new_ones(len(rows), P), mask], dim=1)
    selected = select_rows(cache, order, past)
    hidden, _ = read_rows(llm, llm.get_input_embeddings()(more), torch.ones_like(more), *selected)
    for row, source in enumerate(order.tolist()):
        sequence = torch.cat([prefix, rows[source, : LENGTHS[source]], more[row]])
        torch.testing.assert_close(hidden[row], whole(llm, sequence)[0][-3:], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_reading_rows_leaves_the_prefix_as_it_was(llm, ids):
    prefix, rows, mask = ids
    shared = read_prefix(llm, prefix)
    before = [layer.keys.clone() for layer in shared.layers]
    read_rows(llm, llm.get_input_embeddings()(rows), mask, repeat_cache(shared, len(rows)))
    assert shared.get_seq_length() == P
    assert all(torch.equal(layer.keys, keys) for layer, keys in zip(shared.layers, before, strict=True))


def test_some_of_these_llms_slide_scale_and_cap():
    configs = [tiny.llm(name).config for name in tiny.LLMS]
    for option in ("sliding_window", "final_logit_softcapping", "logits_scaling"):
        assert any(getattr(config, option, None) for config in configs), option


@pytest.mark.parametrize("kind", ["gpt2", "falcon"])
def test_families_that_are_built_otherwise_are_left_as_they_are(kind):
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 99}
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**shape, bos_token_id=None, eos_token_id=1)
    llm = AutoModelForCausalLM.from_config(config).eval()
    prefix, rows = torch.randint(2, 99, (20,)), torch.randint(2, 99, (2, 5))
    with torch.no_grad():
        expected = llm.get_decoder()(input_ids=torch.cat([prefix.expand(2, -1), rows], 1)).last_hidden_state[:, 20:]
        prepare(llm)
        cache = repeat_cache(read_prefix(llm, prefix), 2)
        last = torch.arange(5)[None].expand(2, -1) == 4
        hidden, _ = read_rows(llm, llm.get_input_embeddings()(rows), torch.ones_like(rows), cache, wanted=last)
    torch.testing.assert_close(hidden[last], expected[:, -1], rtol=1e-4, atol=1e-4)
