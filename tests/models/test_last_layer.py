"""The last feed-forward block reads only what is looked at: the same states there, and fewer operations."""

import pytest
import tiny
import torch
from torch.utils.flop_counter import FlopCounterMode

from emosllm.models.last_layer import reading_only, skip_unread
from emosllm.models.llm import read_prefix


def prepared(name="llama"):
    llm = tiny.llm(name).eval()
    skip_unread(llm)
    return llm


def read(llm, ids, wanted=None):
    with FlopCounterMode(display=False) as counter, reading_only(wanted):
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
