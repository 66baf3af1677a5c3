"""Resamples of the speakers, drawn with replacement, for every figure that is a function of sums over clips.

The sums are a confusion matrix, a pair of them, or the moments of a correlation: one row of sums for each speaker. A
resample is a weighted sum of those rows. Not supported: figures that are not functions of sums (a median, a rank).
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

#: Weights are drawn in blocks of about this many numbers (80 MB), whatever the number of speakers.
BLOCK = 10_000_000


def resampling_units(speakers: Sequence[str | None]) -> np.ndarray:
    """The independent unit of each clip, numbered from 0 in order of appearance, `[N]`.

    A clip of an unknown speaker is a unit of its own.
    """
    unit: dict[str | int, int] = {}
    # Names are text and positions are numbers, so the key of an unknown speaker equals no name.
    keys = (place if who is None else who for place, who in enumerate(speakers))
    return np.array([unit.setdefault(key, len(unit)) for key in keys], dtype=np.intp)


def sum_by_unit(cells: np.ndarray, units: np.ndarray, size: int) -> np.ndarray:
    """Count how often each unit has each cell.

    Args:
        cells: of each clip, a number below `size`, `[N]`.
        units: of each clip, `[N]`.
        size: number of cells, K.

    Returns:
        Counts `[U, K]`, int32.
    """
    sums = np.zeros((int(units.max(initial=-1)) + 1, size), dtype=np.int32)
    np.add.at(sums, (units, cells), 1)
    return sums


def merge_equal_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows of `[U, K]` in order of appearance, as float `[V, K]`, and the count of each `[V]`.

    Units with equal rows form one multinomial cell with their summed probability, which gives the same distribution:
    100,000 clips of unknown speakers have at most `C * (C + 1)` confusion matrices.
    """
    # Compared as bytes: np.unique over rows takes ten times as long.
    alike = Counter(map(bytes, rows))
    unique = np.frombuffer(b"".join(alike), dtype=rows.dtype).reshape(-1, rows.shape[1])
    return unique.astype(float), np.array(list(alike.values()))


def resampled_sums(
    rows: np.ndarray, counts: np.ndarray, resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Compute sums over as many units as there are, drawn with replacement.

    Args:
        rows: the contribution of a unit, `[V, K]`.
        counts: the number of units with that contribution, `[V]`.
        resamples: number of draws in all.
        rng: source of the draws.

    Yields:
        Blocks `[R, K]`; their R add up to `resamples`.
    """
    units = int(counts.sum())
    step = max(1, BLOCK // len(counts))
    for start in range(0, resamples, step):
        weights = rng.multinomial(units, counts / units, size=min(step, resamples - start))  # [R, V]
        yield weights.astype(float) @ rows
