"""Qwen-Audio's tokenizer gives the original's ids, on a small vocabulary.

Reference: QwenLM/Qwen-Audio at commit b50fb958 (`tokenization_qwen.py`, `qwen_generation_utils.py`) on tiktoken 0.14.0;
`qwen_audio_tokenizer.json` holds a vocabulary of 500 tokens, texts and the ids that the original gives them.
"""

import base64
import json

import golden
import pytest

from emosllm.errors import UserError
from emosllm.models.published.qwen_audio_tokenizer import VOCABULARY, load_qwen_audio_tokenizer, special_tokens

CASES = json.loads((golden.FOLDER / "qwen_audio_tokenizer.json").read_text(encoding="utf-8"))
LINES = [f"{token} {rank}" for rank, token in enumerate(CASES["vocabulary"])]


def write(folder, lines=LINES):
    (folder / VOCABULARY).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_qwen_audio_tokenizer(write(tmp_path_factory.mktemp("tokenizer")))


def ids(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["text"][:12])
def test_any_text_has_the_originals_ids(tokenizer, case):
    assert ids(tokenizer, case["text"]) == case["ids"]


def test_what_is_read_can_be_written(tokenizer):
    for text in ("¿Cómo se siente la señora? 他很高兴 😀", "<|im_start|>user\nso<|im_end|>\n"):
        assert tokenizer.decode(ids(tokenizer, text)) == text


def test_special_tokens_follow_the_vocabulary_in_the_originals_order(tokenizer):
    names = special_tokens()
    assert len(names) == len(set(names)) == 155_165 - 151_643
    assert len(tokenizer) == len(CASES["vocabulary"]) + len(names)
    assert {name: tokenizer.convert_tokens_to_ids(name) for name in CASES["special"]} == CASES["special"]
    # With the published vocabulary's 151,643 tokens:
    assert {name: 151_643 + names.index(name) for name in ("<|im_end|>", "[[[AUDIO:modality]]]", "<audio>")} == {
        "<|im_end|>": 151_645,
        "[[[AUDIO:modality]]]": 151_851,
        "<audio>": 155_163,
    }


def test_a_turn_is_the_originals_and_the_clip_takes_the_place_of_both_audio_tokens(tokenizer):
    """The begin and end vectors replace `<audio>` and `</audio>`, so our prompt has neither."""
    chat, special = CASES["chat"], CASES["special"]
    before, _, after = chat["query"].partition("<audio>clip.wav</audio>")
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": f"{before}\0{after}"}], tokenize=False, add_generation_prompt=True
    )
    head, tail = (ids(tokenizer, part) for part in text.split("\0"))
    clip = [special["<audio>"], *[special["[[[AUDIO:modality]]]"]] * (chat["span"] - 2), special["</audio>"]]
    assert [*head, *clip, *tail] == chat["ids"]
    assert before == "Audio 1:"
    assert after.startswith("\n")


def test_it_stops_where_the_original_stops_and_pads_with_the_end_of_text(tokenizer):
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    said = [{"role": role, "content": role} for role in ("system", "user", "assistant")]
    expected = (
        "<|im_start|>system\nsystem<|im_end|>\n<|im_start|>user\nuser<|im_end|>\n<|im_start|>assistant\nassistant"
    )
    assert tokenizer.apply_chat_template(said, tokenize=False) == f"{expected}<|im_end|>"


def test_it_is_saved_as_an_ordinary_fast_tokenizer(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    for case in CASES["cases"]:
        assert ids(again, case["text"]) == case["ids"]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (LINES[1:], r"no token for the byte \d+"),
        (LINES[:400] + LINES[401:], "ranks that leave gaps"),
        (["hello world"], "not a tiktoken vocabulary"),
        (["aGVsbG8="], "not a tiktoken vocabulary"),
    ],
)
def test_a_broken_vocabulary_is_refused_in_one_line(tmp_path, lines, fault):
    with pytest.raises(UserError, match=rf"qwen\.tiktoken: .*{fault}.*fetch it again") as error:
        load_qwen_audio_tokenizer(write(tmp_path, lines))
    assert "\n" not in str(error.value)


def test_a_folder_without_the_vocabulary_says_so(tmp_path):
    with pytest.raises(UserError, match=r"qwen\.tiktoken is missing, and it is Qwen-Audio's vocabulary; fetch"):
        load_qwen_audio_tokenizer(tmp_path)


def test_another_models_vocabulary_is_detected_by_the_audio_id(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"audio": {"audio_start_id": 155_163}}))
    with pytest.raises(UserError, match=r"its 500 tokens <audio> would have the id 4020, and config\.json says 155163"):
        load_qwen_audio_tokenizer(write(tmp_path))


def test_a_whole_word_that_is_a_token_is_one_id_even_where_no_merges_lead_to_it(tmp_path):
    """As in tiktoken, a whole word that is a token is not split by merges."""
    rare = base64.b64encode("ñandú".encode()).decode()
    tokenizer = load_qwen_audio_tokenizer(write(tmp_path, [*LINES, f"{rare} {len(LINES)}"]))
    assert ids(tokenizer, "ñandú") == [len(LINES)]
    assert len(LINES) not in ids(tokenizer, "ñandúes")
