"""The HTML page is one self-contained file with the report's own numbers, and accepts any names."""

import base64
import io
import json
import re

import planted
import pytest
import soundfile as sf
from html_pages import Page, lies_at

from emosllm.errors import UserError
from emosllm.reporting.blocks import Number
from emosllm.reporting.evaluations import compare_evaluations
from emosllm.reporting.formats.html_page import render_page


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A weak and a strong system, with every section of a report."""
    root = tmp_path_factory.mktemp("runs")
    (root / "sound").mkdir()
    clips = planted.utterances(root / "sound")
    options = {"temperature": 1.5, "abstain_below": 0.92, "robustness": planted.swept(clips)}
    weak = planted.write_run(root / "weak", clips, planted.answers(clips, 0.5, 1), planted.NASTY, **options)
    strong = planted.write_run(root / "strong", clips, planted.answers(clips, 0.8, 2), **options)
    return weak, strong


@pytest.fixture(scope="module")
def text(runs):
    return render_page(compare_evaluations(runs), examples=3, audio=True)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_page_has_no_external_links(text, page):
    assert not re.search(r"https?:|//[\w.]+\.\w|@import|<script|<link|<iframe|srcset", text)
    for name, value in page.attributes:
        if name in ("src", "href", "data", "poster", "action", "xlink:href"):
            assert value.startswith(("#", "data:audio/")), (name, value[:60])
    assert set(re.findall(r"url\((.)", text)) <= {"#"}


def test_its_numbers_are_the_report_s(runs, page):
    reports = [json.loads((run / "report.json").read_text("utf-8")) for run in runs]
    placed = [entry for entry in page.numbers if entry[1]]
    assert len(placed) > 200
    for value, at, shown in placed:
        found = lies_at(reports, at)
        assert float(value) == found, at
        shown = shown.replace("−", "-")
        assert shown.lstrip("+") == f"{found:.{len(shown.partition('.')[2])}f}", at
    assert len(page.intervals) > 60
    for at, shown in page.intervals:
        found = lies_at(reports, at)
        assert shown.replace("−", "-") == f"[{found['low']:.3f}, {found['high']:.3f}]", at


def test_every_section_is_there_and_every_link_leads_somewhere(page):
    links = [value[1:] for name, value in page.attributes if name == "href" and value.startswith("#")]
    assert set(links) <= set(page.ids)
    wanted = "figures differences corpora classes confusions calibration abstention groups robustness examples"
    assert {*wanted.split(), "raters'-votes", "how-this-was-computed"} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_names_are_text(text, page):
    assert "<i>" not in text.replace('<i class="bar', "")
    assert "<b>50" not in text
    words = "".join(page.text)
    assert planted.NASTY in words
    assert "<b>50 % & more</b>" in words
    assert "f00d" in words
    assert "2.00 h" in words


def test_examples_contain_audio(page):
    sounds = [value for name, value in page.attributes if name == "src"]
    assert sounds
    for sound in sounds:
        data = base64.b64decode(sound.partition(",")[2])
        samples, rate = sf.read(io.BytesIO(data))
        assert rate == 16_000
        assert 0.3 < len(samples) / rate < 0.6
        assert len(data) < 20_000
    assert any("its recording is not there any more" in word for word in page.text)


def test_a_better_system_is_found_to_be_better(runs):
    compared = compare_evaluations(runs)
    (pair,) = compared.comparisons.scores
    assert pair.differences["ua"].difference > 0.15
    assert pair.differences["ua"].interval.low > 0
    assert pair.differences["ua"].p < 0.05
    assert pair.mcnemar.p_exact < 0.001
    words = " ".join("".join(Page(render_page(compared, examples=0)).text).split())
    assert f"{pair.mcnemar.only_second}" in words
    assert "< 0.001" in words
    weak_is_wrong = compared.comparisons.neutral[0][1]  # all wrong answers to what is not neutral were neutral
    assert all(called == clips for called, clips in weak_is_wrong.by_class.values())


def test_one_system_alone_needs_no_differences(runs):
    page = Page(render_page(compare_evaluations(runs[:1]), examples=0))
    assert "differences" not in page.ids
    assert "examples" not in page.ids


def test_the_same_bytes_twice(runs, text):
    assert render_page(compare_evaluations(runs), examples=3, audio=True) == text


def test_a_report_of_an_older_release_is_a_page_too(tmp_path, runs):
    new = {"confidence", "selective", "fairness", "soft", "robustness", "unmeasured", "provenance", "answer", "doubts"}
    report = json.loads((runs[0] / "report.json").read_text("utf-8"))
    old = {key: value for key, value in report.items() if key not in new}
    (tmp_path / "report.json").write_text(json.dumps(old), "utf-8")
    (tmp_path / "predictions.jsonl").write_bytes((runs[0] / "predictions.jsonl").read_bytes())
    page = Page(render_page(compare_evaluations([tmp_path])))
    assert "figures" in page.ids
    assert "calibration" not in page.ids


def test_who_cannot_be_set_side_by_side(tmp_path, runs):
    with pytest.raises(UserError, match="is given twice"):
        compare_evaluations([runs[0], runs[0]])
    clips = planted.utterances()[:200]
    fewer = planted.write_run(tmp_path / "fewer", clips, planted.answers(clips, 0.5, 1))
    with pytest.raises(UserError, match="40 clips only in the first"):
        compare_evaluations([runs[0], fewer])
    with pytest.raises(UserError, match="7 evaluations"):
        compare_evaluations([runs[0]] * 7)
    (fewer / "report.json").write_text('{"model": 1}')
    with pytest.raises(UserError, match="run `emosllm evaluate` again"):
        compare_evaluations([fewer])


@pytest.mark.parametrize(
    ("value", "signed", "shown"),
    [(0.5, False, "0.500"), (-0.0001, True, "0.000"), (0.02, True, "+0.020"), (-0.02, True, "−0.020"), (None, 0, "–")],
)
def test_numbers_as_they_are_shown(value, signed, shown):
    assert Number(value, signed=bool(signed)).text == shown
