"""Grids: commas separate values outside brackets and quotes, and every combination is validated before any is run."""

import pytest

from emosllm.errors import UserError
from emosllm.experiments.grid import read_grid, split_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("16", ["16"]),
        ("16,32, 64", ["16", "32", "64"]),
        ("[q_proj,v_proj],[k_proj]", ["[q_proj,v_proj]", "[k_proj]"]),
        ("{queries: 4, layers: 1}", ["{queries: 4, layers: 1}"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("null,praat", ["null", "praat"]),
        ("", [""]),
    ],
)
def test_values(text, values):
    assert split_values(text) == values


def test_all_combinations_with_what_is_fixed():
    variants, keys = read_grid("gemma-text", ["lora.rank=16,32", "phases.ser.epochs=2", "lora.alpha=8,16,64"])
    assert keys == {"lora.rank": ["16", "32"], "lora.alpha": ["8", "16", "64"]}
    told = [(v.recipe.lora.rank, v.recipe.lora.alpha, v.recipe.phases["ser"].epochs) for v in variants]
    assert told == [(rank, alpha, 2) for rank in (16, 32) for alpha in (8, 16, 64)]
    assert variants[1].name == "lora.rank=16 lora.alpha=16"
    assert len({v.key for v in variants}) == len({v.training_key(False) for v in variants}) == 6


def test_without_values_there_is_one_variant():
    variants, keys = read_grid("gemma-text", ["lora.rank=16"])
    assert (len(variants), keys, variants[0].name) == (1, {}, "as it is")


def test_options_of_inference_share_a_training_unless_they_select_weights():
    variants, _ = read_grid("emosllm", ["inference.strategy=ser,transcript-in-prompt,transcript-first"])
    assert len({v.training_key(False) for v in variants}) == 1
    assert len({v.training_key(True) for v in variants}) == len({v.key for v in variants}) == 3


def test_names_of_folders_are_harmless():
    variants, _ = read_grid("gemma-text", ["llm.model=/a b/../c:d,google/gemma-2b"])
    for variant in variants:
        assert not set(variant.key) & set("/\\: '")
        assert len(variant.key) < 100


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["lora.rnk=1,2"], "unknown key 'lora.rnk'"),
        (["lora.rank=16,x"], "lora.rank: .* not 'x'"),
        (["lora.rank=16,16"], "lora.rank has the value 16 twice"),
        (["lora.rank=16", "lora.rank=32"], "lora.rank is given twice"),
        (["lora.rank=16,,32"], "a comma without a value"),
        (["lora.rank"], "is not key=value"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(overrides, words):
    with pytest.raises(UserError, match=words):
        read_grid("gemma-text", overrides)
