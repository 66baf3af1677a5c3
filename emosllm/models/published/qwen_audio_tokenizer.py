"""Convert Qwen-Audio's tiktoken vocabulary and special tokens to a fast tokenizer of transformers.

The ids are the same as the original's for any text. tiktoken merges any two adjacent tokens that form a token, lowest
rank first. Every such pair is a merge here, in that order, so tiktoken is not needed. Reference: QwenLM/Qwen-Audio,
`tokenization_qwen.py` (pattern, special tokens) and `qwen_generation_utils.py` (chat format).
"""

import base64
import binascii
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from emosllm.errors import UserError
from emosllm.models.published.tensors import read_config

VOCABULARY = "qwen.tiktoken"
END_OF_TEXT, TURN, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
AUDIO, END_OF_AUDIO = "<audio>", "</audio>"

_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Names between <| and |> in the order of their ids, which follow those of the vocabulary. {0..N} is N + 1 names.
_NAMES = """
endoftext im_start im_end extra_{0..204} [[[AUDIO:modality]]] startoftranscript startofanalysis
translate transcribe caption keyword unknown en zh de es ko fr ja it zh_tr notimestamps sil timestamps {seconds}
caption_audiocaps caption_clotho audioset_ontology caption_plain itn wo_itn
startofentityvalue endofentityvalue startofentitytype endofentitytype named_entity_recognition audio_grounding
startofword endofword delim emotion_recognition music_description note_analysis
pitch midi_pitch_{0..127} velocity midi_velocity_{0..127} sonic instrument speaker_meta song_meta
question answer choice scene event vocal_classification
speech_understanding scenario action entities speech_edit <audio> </audio>
"""
# The original's chat format: always a system turn, and no line break after the end of the last turn.
_CHAT = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' }}"
    "{{ '\n' if not loop.last or add_generation_prompt else '' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def special_tokens() -> list[str]:
    """All special tokens in the order of their ids; the id of the first is the size of the vocabulary."""
    tokens: list[str] = []
    for name in _NAMES.split():
        stem, _, field = name.partition("{")
        if field == "seconds}":
            names = [f"{hundredth / 100:.2f}" for hundredth in range(3001)]
        elif field:
            names = [f"{stem}{number}" for number in range(int(field.removeprefix("0..").removesuffix("}")) + 1)]
        else:
            names = [name]
        tokens += [text if text[0] in "<[" else f"<|{text}|>" for text in names]
    return tokens


def load_qwen_audio_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load the tokenizer of a checkpoint in its authors' layout.

    Raises:
        UserError: there is no `qwen.tiktoken`, it is incomplete, or it belongs to another model.
    """
    ranks = _read(folder / VOCABULARY)
    found, expected = len(ranks) + special_tokens().index(AUDIO), _audio_id(folder)
    if expected not in (None, found):
        raise UserError(
            f"{folder / VOCABULARY}: with its {len(ranks)} tokens {AUDIO} would have the id {found}, and config.json "
            f"says {expected}: the vocabulary of another model; fetch both from the same place"
        )
    letters = _bytes_as_letters()
    names = {token: "".join(letters[byte] for byte in token) for token in ranks}
    inner = Tokenizer(
        models.BPE({names[token]: rank for token, rank in ranks.items()}, _merges(ranks, names), ignore_merges=True)
    )
    inner.normalizer = normalizers.NFC()
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special_tokens()])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token=END_OF_TURN,  # the original's chat stops there
        pad_token=END_OF_TEXT,
        chat_template=_CHAT,
        clean_up_tokenization_spaces=False,
        name_or_path=str(folder),
    )


def _audio_id(folder: Path) -> int | None:
    """The id of the token before a clip in the checkpoint's config."""
    return read_config(folder).get("audio", {}).get("audio_start_id")


def _read(path: Path) -> dict[bytes, int]:
    """Read token -> rank from lines with a token in base64 and its rank."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        raise UserError(f"{path} is missing, and it is Qwen-Audio's vocabulary; fetch the checkpoint again") from None
    try:
        pairs = [line.split() for line in lines if line]
        ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in pairs}
    except (ValueError, binascii.Error):
        raise UserError(f"{path}: not a tiktoken vocabulary (base64 and a rank a line); fetch it again") from None
    lacking = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if lacking or sorted(ranks.values()) != list(range(len(ranks))):
        what = f"no token for the byte {lacking[0]}" if lacking else "ranks that leave gaps"
        raise UserError(f"{path}: not a complete vocabulary, it has {what}; fetch it again")
    return ranks


def _merges(ranks: dict[bytes, int], names: dict[bytes, str]) -> list[tuple[str, str]]:
    """All pairs of tokens that form a token, in the order of its rank."""
    merges = []
    for token in sorted(ranks, key=ranks.__getitem__):
        halves = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        pairs = [(left, right) for left, right in halves if left in ranks and right in ranks]
        merges += sorted(pairs, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    return [(names[left], names[right]) for left, right in merges]


def _bytes_as_letters() -> list[str]:
    """The character of each byte in byte-level vocabularies: the same code where printable, else a code from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (number for number in range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]
