"""The last layer is computed only at the positions that are read: same states, fewer operations."""

import pytest
import tiny
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from emosllm.models.kernels.grouped_attention import GROUPED
from emosllm.models.kernels.last_layer import restrict_last_layer, wanted_positions
from emosllm.models.llms.llm import prepare, read_prefix, read_rows, repeat_cache


def prepared(name="llama"):
    llm = tiny.llm(name).eval()
    restrict_last_layer(llm)
    return llm


def read(llm, ids, wanted=None):
    with FlopCounterMode(display=False) as counter, wanted_positions(wanted):
        hidden = llm.get_decoder()(input_ids=ids).last_hidden_state
    return hidden, counter.get_total_flops()


IDS = torch.randint(6, 90, (2, 9), generator=torch.Generator().manual_seed(0))
WANTED = torch.arange(9)[None] == torch.tensor([[8], [3]])


@pytest.mark.parametrize("name", tiny.LLMS)
def test_what_is_read_is_what_it_was(name):
    expected, _ = read(tiny.llm(name).eval(), IDS)
    found, _ = read(prepared(name), IDS, WANTED)
    torch.testing.assert_close(found[WANTED], expected[WANTED], rtol=1e-4, atol=1e-4)


def test_gradients_are_what_they_were():
    gradients = []
    for llm, wanted in ((tiny.llm(), None), (prepared(), WANTED)):
        read(llm, IDS, wanted)[0][WANTED].sum().backward()
        gradients.append({name: parameter.grad for name, parameter in llm.named_parameters() if "lm_head" not in name})
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, rtol=1e-4, atol=1e-5)


def test_the_rest_is_not_computed():
    llm = prepared()
    _, everywhere = read(llm, IDS)
    _, here = read(llm, IDS, WANTED)
    config = llm.config
    block = 2 * 3 * config.hidden_size * config.intermediate_size
    assert everywhere - here == (IDS.numel() - int(WANTED.sum())) * block


def test_a_prefix_needs_none_of_it():
    llm = prepared()
    _, everywhere = read(llm, IDS[:1])
    with FlopCounterMode(display=False) as counter:
        read_prefix(llm, IDS[0])
    assert everywhere - counter.get_total_flops() == IDS.shape[1] * 6 * llm.config.hidden_size * (
        llm.config.intermediate_size
    )


class Queries(TorchDispatchMode):
    """Record the positions that each attention computes."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        if "scaled_dot_product" in str(function) and "backward" not in str(function):
            self.asked.append(arguments[0].shape[2])
        return function(*arguments, **(options or {}))


def read_after_a_prefix(llm, wanted):
    """Rows of nine tokens, one of them padded, after a prefix of nine."""
    mask = torch.ones_like(IDS)
    mask[1, 6:] = 0
    embeddings = llm.get_input_embeddings()(IDS)
    return read_rows(llm, embeddings, mask, repeat_cache(read_prefix(llm, IDS[0]), 2), wanted=wanted)[0]


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("name", tiny.LLMS)
def test_queries_that_are_not_read_are_not_computed(name, learns):
    llm = tiny.llm(name).eval()
    prepare(llm)
    wanted = torch.zeros(2, 9, dtype=torch.bool)
    wanted[0, 5], wanted[1, 4] = True, True
    gradients, states = [], []
    for each in (None, wanted):
        with torch.set_grad_enabled(learns), Queries() as queries:
            found = read_after_a_prefix(llm, each)[wanted]
        states.append(found)
        if learns:
            llm.zero_grad()
            found.square().sum().backward()
            gradients.append({part: value.grad for part, value in llm.named_parameters() if value.grad is not None})
    torch.testing.assert_close(states[1], states[0], rtol=1e-4, atol=1e-4)
    if llm.config._attn_implementation == GROUPED:
        config = llm.config.get_text_config()
        groups = config.num_attention_heads // config.num_key_value_heads if learns else 1  # of heads in a row
        assert queries.asked[-1] == groups * 5
        assert len(queries.asked) == 2 * config.num_hidden_layers - 1  # the prefix's last layer has no queries
    if learns:
        assert gradients[0].keys() == gradients[1].keys()
        for part, expected in gradients[0].items():
            torch.testing.assert_close(gradients[1][part], expected, rtol=1e-3, atol=1e-4)


def test_without_a_mask_all_positions_are_computed():
    llm = tiny.llm().eval()
    prepare(llm)
    whole = torch.ones_like(IDS)
    embeddings = llm.get_input_embeddings()(IDS)
    expected, _ = read_rows(llm, embeddings, whole, None)
    with Queries() as queries:
        found, _ = read_rows(llm, embeddings, whole, None, wanted=WANTED)
    assert queries.asked == [9] * llm.config.num_hidden_layers
    torch.testing.assert_close(found[WANTED], expected[WANTED], rtol=1e-4, atol=1e-4)
