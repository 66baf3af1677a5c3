"""Drawing speakers with replacement, for every figure that is a function of sums over clips.

A confusion matrix, a pair of them, or the moments behind a correlation: each is a row of sums per speaker, and a
resample is a weighted sum of those rows. Given up: figures that are no function of sums (a median, a rank).
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

#: Weights are drawn in blocks of about so many numbers (80 MB), whatever the number of speakers.
BLOCK = 10_000_000


def units_of(speakers: Sequence[str | None]) -> np.ndarray:
    """The independent unit of each clip, numbered from 0 in order of appearance, `[N]`.

    A clip whose speaker nobody knows is a unit of its own.
    """
    unit: dict[str | int, int] = {}
    # Text and numbers never meet: a clip's place stands for its unknown speaker.
    keys = (place if who is None else who for place, who in enumerate(speakers))
    return np.array([unit.setdefault(key, len(unit)) for key in keys], dtype=np.intp)


def sum_by_unit(cells: np.ndarray, units: np.ndarray, size: int) -> np.ndarray:
    """How often each unit has each cell.

    Args:
        cells: of each clip, a number below `size`, `[N]`.
        units: of each clip, `[N]`.
        size: how many cells there are, K.

    Returns:
        Counts `[U, K]`, int32.
    """
    sums = np.zeros((int(units.max(initial=-1)) + 1, size), dtype=np.int32)
    np.add.at(sums, (units, cells), 1)
    return sums


def merge_alike(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows of `[U, K]` in order of appearance, as float `[V, K]`, and how many there are of each `[V]`.

    Units with equal rows are one multinomial cell with their summed probability, which is the same distribution:
    100,000 clips of unknown speakers are at most `C * (C + 1)` confusion matrices.
    """
    # By their bytes: np.unique over rows takes ten times as long.
    alike = Counter(map(bytes, rows))
    unique = np.frombuffer(b"".join(alike), dtype=rows.dtype).reshape(-1, rows.shape[1])
    return unique.astype(float), np.array(list(alike.values()))


def resampled_sums(
    rows: np.ndarray, counts: np.ndarray, resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Sums over as many units as there are, drawn with replacement.

    Args:
        rows: what a unit contributes, `[V, K]`.
        counts: how many units contribute just that, `[V]`.
        resamples: how many draws in all.
        rng: source of the draws.

    Yields:
        Blocks `[R, K]`; their R add up to `resamples`.
    """
    units = int(counts.sum())
    step = max(1, BLOCK // len(counts))
    for start in range(0, resamples, step):
        weights = rng.multinomial(units, counts / units, size=min(step, resamples - start))  # [R, V]
        yield weights.astype(float) @ rows
