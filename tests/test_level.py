"""Level normalisation: loud parts get one level, independent of gain and pauses."""

import numpy as np
import pytest

from emosllm.level import set_level


def voice(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(int(16_000 * seconds))).astype(np.float32)


def rms_db(samples: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))


@pytest.mark.parametrize("gain_db", [-60, -20, 0, 20])
def test_gain_does_not_matter(gain_db: float) -> None:
    changed = set_level((voice() * 10 ** (gain_db / 20)).astype(np.float32), -20.0)
    np.testing.assert_allclose(changed, set_level(voice(), -20.0), rtol=1e-3, atol=1e-6)
    assert changed.dtype == np.float32
    assert rms_db(changed) == pytest.approx(-20, abs=0.6)


def test_pauses_do_not_matter() -> None:
    speech = voice()
    paused = np.concatenate([np.zeros(16_000, np.float32), speech, np.zeros(16_000, np.float32)])
    assert rms_db(set_level(paused, -20.0)[16_000:32_000]) == pytest.approx(rms_db(set_level(speech, -20.0)), abs=0.5)


@pytest.mark.parametrize("samples", [np.zeros(16_000, np.float32), np.zeros(10, np.float32)])
def test_silence_stays_silent(samples: np.ndarray) -> None:
    assert np.array_equal(set_level(samples, -20.0), samples)
