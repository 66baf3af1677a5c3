"""Normalise a clip's level, so that microphone, distance and gain do not matter.

The level is measured on the loud 25 ms frames and not on the whole clip, so that pauses do not change it. Limitation:
where recordings share one gain, the differences in speaking level are lost.
"""

import numpy as np

_FRAME = 400  # samples: 25 ms at 16 kHz
_LOUD = 95  # percentile of the frames' levels
_FLOOR = 1e-5  # -100 dBFS: below that there is no speech to amplify


def set_level(samples: np.ndarray, dbfs: float) -> np.ndarray:
    """Scale a clip so that its loud frames have the given level.

    Args:
        samples: float32 mono `[T]` at 16 kHz.
        dbfs: RMS level in dB relative to full scale.

    Returns:
        float32 `[T]`; peaks may exceed full scale, because they are not clipped.
    """
    frames = samples[: max(1, len(samples) // _FRAME) * _FRAME]
    shaped = frames.reshape(-1, _FRAME) if len(frames) >= _FRAME else frames[None]
    loud = float(np.percentile(np.sqrt(np.mean(np.square(shaped, dtype=np.float64), axis=1)), _LOUD))
    return (samples * np.float32(10 ** (dbfs / 20) / max(loud, _FLOOR))).astype(np.float32)
