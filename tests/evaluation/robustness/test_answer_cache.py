"""Stored answers of a sweep: they are not computed again, and those of another sweep are refused."""

import json

import numpy as np
import pytest

from emosllm.errors import UserError
from emosllm.evaluation.robustness.answer_cache import AnswerCache, PointAnswers
from emosllm.evaluation.robustness.conditions import condition
from emosllm.evaluation.robustness.sweep import pool_sweeps, sweep

CONDITIONS = [condition("quiet"), condition("clipping")]
LABELS = ("low", "high")


def hums(count, seed):
    rng = np.random.default_rng(seed)
    clips = [rng.normal(0, 0.01 + 0.1 * (i % 2), 800).astype(np.float32) for i in range(count)]
    return clips, [LABELS[i % 2] for i in range(count)], [f"s{seed}{i // 2}" for i in range(count)]


def loud(clips):
    return [LABELS[int(np.abs(clip).mean() > 0.03)] for clip in clips]


def test_stored_answers_are_not_computed_again(tmp_path):
    asked = []

    def dying(clips):
        if len(asked) == 4:
            raise KeyboardInterrupt
        asked.append(len(clips))
        return loud(clips)

    kept = AnswerCache(tmp_path / "robustness")
    kept.begin("a key", resume=False)
    data = hums(12, 1)
    with pytest.raises(KeyboardInterrupt):
        sweep(dying, *data, LABELS, conditions=CONDITIONS, resamples=50, kept=kept)
    again = []
    kept.begin("a key", resume=True)
    listen = lambda clips: again.append(len(clips)) or loud(clips)  # noqa: E731
    found = sweep(listen, *data, LABELS, conditions=CONDITIONS, resamples=50, kept=kept)
    assert (len(asked), len(again)) == (4, 5)
    assert found == sweep(loud, *data, LABELS, conditions=CONDITIONS, resamples=50)
    assert not list(tmp_path.rglob("*.tmp"))


def test_another_sweep_is_not_taken_up(tmp_path):
    kept = AnswerCache(tmp_path)
    kept.begin("one", resume=False)
    kept.write("quiet", -10.0, PointAnswers(("low",), (None,), ("high",)))
    with pytest.raises(UserError, match="holds a sweep of another system, other data or other settings"):
        kept.begin("other", resume=True)
    kept.begin("other", resume=False)
    assert kept.read("quiet", -10.0) is None


def test_damaged_files_are_refused(tmp_path):
    kept = AnswerCache(tmp_path)
    kept.begin("one", resume=False)
    kept.write("white noise", 10.0, PointAnswers(("low",), ("somebody",), (None,)))
    (path,) = tmp_path.glob("white*")
    assert kept.read("white noise", 10.0) == PointAnswers(("low",), ("somebody",), (None,))
    path.write_text(json.dumps({"reference": ["low"], "speakers": [], "answers": []}))
    with pytest.raises(UserError, match=r"is damaged .*remove it"):
        kept.read("white noise", 10.0)
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(UserError, match="is damaged: start the sweep again"):
        kept.begin("one", resume=True)


def test_pooled_points_are_those_of_all_clips_together(tmp_path):
    parts = []
    for fold in (1, 2):
        parts.append(AnswerCache(tmp_path / str(fold)))
        parts[-1].begin("key", resume=False)
        sweep(loud, *hums(8 + 4 * fold, fold), LABELS, conditions=CONDITIONS, resamples=50, kept=parts[-1])
    found = pool_sweeps(parts, LABELS, CONDITIONS, resamples=50)
    assert found.clean.n == 12 + 16
    for point in found.points:
        each = [part.read(point.condition, point.severity) for part in parts]
        right = sum(a == b for one in each for a, b in zip(one.answers, one.reference, strict=True))
        assert point.wa == pytest.approx(right / 28)
    assert found.units == {"quiet": "dB", "clipping": "dB"}
    alone = pool_sweeps(parts[:1], LABELS, [*CONDITIONS, condition("speed")], resamples=50)
    assert alone.skipped == {"speed": "it could not be made in every fold"}
    with pytest.raises(UserError, match="holds no answers to clean clips"):
        pool_sweeps([AnswerCache(tmp_path / "none")], LABELS, CONDITIONS)
