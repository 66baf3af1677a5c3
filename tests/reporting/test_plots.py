"""Plots contain their numbers, draw edge cases, are deterministic, and need no screen."""

import sys

import numpy as np
import pytest

from emosllm.errors import UserError
from emosllm.evaluation.abstention import risk_coverage
from emosllm.evaluation.calibration import calibrate
from emosllm.evaluation.robustness.conditions import condition
from emosllm.evaluation.robustness.sweep import sweep
from emosllm.reporting import plots
from emosllm.reporting.style import picture_bytes, write_picture

LABELS = ("angry", "happy", "sad")


def clips(n=200, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = (shares.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return (
        [LABELS[i] for i in true],
        [LABELS[i] for i in shares.argmax(axis=1)],
        [dict(zip(LABELS, row.tolist(), strict=True)) for row in shares],
    )


def curves():
    reference, predicted, probabilities = clips()
    return risk_coverage(reference, predicted, [max(each.values()) for each in probabilities])


def hums(n=8):
    rng = np.random.default_rng(0)
    samples = [rng.standard_normal(1600).astype(np.float32) * 0.1 for _ in range(n)]
    return samples, [LABELS[i % 3] for i in range(n)], [f"s{i // 2}" for i in range(n)]


def robustness(names=("quiet", "speed", "GSM", "A-law")):
    samples, reference, speakers = hums()

    def predict(given):
        return [LABELS[int(1e6 * float(np.abs(each).sum())) % 3] for each in given]

    return sweep(predict, samples, reference, speakers, LABELS, conditions=[condition(n) for n in names], resamples=20)


def texts(figure):
    """All text of a drawn plot."""
    picture_bytes(figure, "png")
    from matplotlib.text import Text

    return [each.get_text() for each in figure.findobj(Text) if each.get_text() and each.get_visible()]


FIGURES = {
    "reliability": lambda: plots.draw_reliability({"a": calibrate(*[clips()[i] for i in (0, 2)], LABELS)}, "two"),
    "risk": lambda: plots.draw_risk_coverage({"a": curves(), "b": curves()}, "three"),
    "robustness": lambda: plots.draw_robustness({"a": robustness(), "b": robustness()}, "four"),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_the_same_bytes_twice(tmp_path, name, suffix, start):
    for copy in ("a", "b"):
        write_picture(FIGURES[name](), tmp_path / f"{copy}{suffix}")
    first, second = ((tmp_path / f"{copy}{suffix}").read_bytes() for copy in ("a", "b"))
    assert first.startswith(start)
    assert first == second


def test_reliability_draws_what_was_computed():
    reference, _, probabilities = clips()
    found = calibrate(reference, probabilities, LABELS)
    axes, below = plots.draw_reliability({"a": found}, "x").axes
    full = [each for each in found.bins if each.n >= 10]
    line = next(line for line in axes.lines if "ECE" in str(line.get_label()))
    np.testing.assert_allclose(line.get_xydata(), [(each.confidence, each.accuracy) for each in full])
    assert f"ECE {found.ece:.3f}" in line.get_label()
    assert below.patches[0].get_data().values.sum() == pytest.approx(1)


def test_risk_draws_the_curve_from_where_it_is_no_noise():
    curve = curves()
    line = plots.draw_risk_coverage({"a": curve}, "x").axes[0].lines[0]
    assert line.get_xdata()[0] * curve.n == pytest.approx(10)
    assert line.get_xydata()[-1] == pytest.approx((1, curve.aurc_random))
    few = risk_coverage(["sad"], ["sad"], [0.5])
    assert len(plots.draw_risk_coverage({"a": few}, "x").axes[0].lines[0].get_xdata()) == 1


def test_robustness_puts_clean_where_it_belongs_and_single_severities_together():
    found = robustness()
    figure = plots.draw_robustness({"a": found}, "x")
    picture_bytes(figure, "png")
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}
    ticks = {name: [tick.get_text() for tick in axes.get_xticklabels()] for name, axes in panels.items()}
    assert ticks == {
        "quiet, dB": ["clean", "-10", "-20", "-30", "-40"],
        "speed, times": ["0.7", "0.85", "clean", "1.15", "1.3"],
        "other lines": ["clean", "GSM", "A-law"],
    }
    line = next(line for line in panels["speed, times"].lines if line.get_label() == "a")
    ua = [point.ua for point in found.curve("speed")]
    assert list(line.get_ydata()) == [*ua[:2], found.clean.ua, *ua[2:]]
    alone = plots.draw_robustness({"a": robustness(("GSM",))}, "x")
    assert [axes.get_title(loc="left") for axes in alone.axes] == ["GSM, kbit/s"]


def test_dollars_are_dollars(tmp_path):
    write_picture(plots.draw_risk_coverage({"a": curves()}, "a $b$ c"), tmp_path / "a.svg")
    assert "a $b$ c" in (tmp_path / "a.svg").read_text("utf-8")


def test_mistakes(tmp_path, monkeypatch):
    figure = FIGURES["risk"]()
    with pytest.raises(UserError, match=r"a\.bmp: pictures end in"):
        write_picture(figure, tmp_path / "a.bmp")
    for many in (0, 7):
        with pytest.raises(UserError, match=f"cannot draw {many} series"):
            plots.draw_risk_coverage({str(i): curves() for i in range(many)}, "x")
    with pytest.raises(UserError, match="no condition was swept"):
        plots.draw_robustness({"a": robustness(())}, "x")
    with pytest.raises(UserError, match="a, b were not swept over the same conditions"):
        plots.draw_robustness({"a": robustness(("quiet",)), "b": robustness(("speed",))}, "x")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"matplotlib: pip install 'emosllm\[eval\]'"):
        FIGURES["risk"]()
    assert list(tmp_path.iterdir()) == []
