"""Convert token rows to padded tensors: split off the shared prefix, reserve positions for audio, set the labels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from emosllm.prompting.chat_template import Tokens

IGNORED = -100  # label of positions without loss, as in transformers
# Shortest shared prefix in tokens. Rows that continue a cache need an explicit mask, which costs more than a shorter
# prefix saves.
_WORTH_SHARING = 16


def batch_rows(
    rows: Sequence[Tokens], vectors: Sequence[int], transcript_weights: Sequence[float], pad: int
) -> dict[str, Tensor]:
    """Batch rows without their shared prefix, padded on the right.

    Args:
        rows: B rows.
        vectors: number of positions of each row's clip; 0 for a row without a clip.
        transcript_weights: loss weight of each row's transcript tokens.
        pad: the padding id.

    Returns:
        `prefix_ids` `[P]` where there is a prefix; `input_ids`, `attention_mask`, `audio_mask`, `labels` and
        `label_weights`, all `[B, L]`.
    """
    shared = _shared_prefix([row.head for row in rows], whole=all(row.audio for row in rows))
    lines = [
        _line(row, shared, gap, weight, pad) for row, gap, weight in zip(rows, vectors, transcript_weights, strict=True)
    ]
    fill = {"input_ids": pad, "attention_mask": 0, "audio_mask": False, "labels": IGNORED, "label_weights": 0.0}
    batch = {
        name: torch.nn.utils.rnn.pad_sequence([line[name] for line in lines], batch_first=True, padding_value=value)
        for name, value in fill.items()
    }
    if shared:
        batch["prefix_ids"] = torch.tensor(rows[0].head[:shared])
    return batch


def without_labels(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove labels and their weights from a batch, for inference."""
    return {name: tensor for name, tensor in batch.items() if name not in ("labels", "label_weights")}


def pad_candidates(named: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """Token ids of each of K emotions for each of B rows, as `[B, K, C]`, padded with `IGNORED`."""
    longest = max(len(ids) for row in named for ids in row)
    return torch.tensor([[[*ids, *[IGNORED] * (longest - len(ids))] for ids in row] for row in named])


def _shared_prefix(heads: Sequence[tuple[int, ...]], whole: bool) -> int:
    """Length of the longest common prefix of the rows; 0 where it is too short to save time.

    Args:
        heads: ids before each row's clip (or answer).
        whole: whether a whole head may be shared; without a following clip, a row must keep one token.
    """
    limit = min(len(head) for head in heads) - (0 if whole else 1)
    shared = 0
    while shared < limit and all(head[shared] == heads[0][shared] for head in heads):
        shared += 1
    return shared if shared >= _WORTH_SHARING else 0


def _line(row: Tokens, shared: int, gap: int, transcript_weight: float, pad: int) -> dict[str, Tensor]:
    """Tensors of one row without the shared prefix and without padding; only answer tokens have labels and weights."""
    own = row.head[shared:]
    blank = len(own) + gap
    labels = [IGNORED if kind is None else token for token, kind in zip(row.tail, row.kinds, strict=True)]
    weights = [0.0 if kind is None else transcript_weight if kind == "transcript" else 1.0 for kind in row.kinds]
    length = blank + len(row.tail)
    return {
        "input_ids": torch.tensor([*own, *[pad] * gap, *row.tail]),
        "attention_mask": torch.ones(length, dtype=torch.long),
        "audio_mask": torch.tensor([False] * len(own) + [True] * gap + [False] * len(row.tail)),
        "labels": torch.tensor([IGNORED] * blank + labels),
        "label_weights": torch.tensor([0.0] * blank + weights),
    }
