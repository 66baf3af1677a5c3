"""Token rows as tensors: what all begin with is found and cut off, clips get their places, answers their labels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from emosllm.prompting.chat_template import Tokens

IGNORED = -100  # a label that counts for nothing, as in transformers
# Rows that continue a cache need a mask of their own; for a shorter prefix than this that costs more than it saves.
_WORTH_SHARING = 16


def lay_out(
    rows: Sequence[Tokens], vectors: Sequence[int], transcript_weights: Sequence[float], pad: int
) -> dict[str, Tensor]:
    """Rows after their shared prefix, padded on the right.

    Args:
        rows: B rows.
        vectors: how many places each row's clip takes, 0 where it has none.
        transcript_weights: what a token of each row's transcript counts.
        pad: the id to pad with.

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


def open_rows(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rows whose answers are yet to come: nothing to compare them with."""
    return {name: tensor for name, tensor in batch.items() if name not in ("labels", "label_weights")}


def pad_candidates(named: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """The ids that name each of K emotions for each of B rows, as `[B, K, C]` padded with `IGNORED`."""
    longest = max(len(ids) for row in named for ids in row)
    return torch.tensor([[[*ids, *[IGNORED] * (longest - len(ids))] for ids in row] for row in named])


def _shared_prefix(heads: Sequence[tuple[int, ...]], whole: bool) -> int:
    """Length of the longest common beginning of the rows, found and not configured; 0 where it is not worth it.

    Args:
        heads: ids before each row's clip (or answer).
        whole: whether a head may be shared to its end; a row must keep one token of its own where no clip follows.
    """
    limit = min(len(head) for head in heads) - (0 if whole else 1)
    shared = 0
    while shared < limit and all(head[shared] == heads[0][shared] for head in heads):
        shared += 1
    return shared if shared >= _WORTH_SHARING else 0


def _line(row: Tokens, shared: int, gap: int, transcript_weight: float, pad: int) -> dict[str, Tensor]:
    """One row after the shared prefix, without padding. `labels` and weights are set where the row is answer."""
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
