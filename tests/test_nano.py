"""nano, the builtin system: its card is correct, and its answers do not depend on gain, padding or batch."""

import json
from pathlib import Path

import numpy as np
import pytest

import emosllm
from emosllm.audio import load_audio
from emosllm.corpora.manifest import read_manifest
from emosllm.evaluation.metrics import score
from emosllm.inference.recogniser import Recogniser
from nano.card import card, fill, results

ROOT = Path(__file__).parents[1]
BUILTIN = ROOT / "emosllm" / "builtin"
FIGURES = json.loads((ROOT / "docs" / "results" / "nano.json").read_text(encoding="utf-8"))
REAL = ROOT.parent / "shared" / "data"
RECORDINGS = sorted((ROOT / "demo" / "recordings").glob("*.flac"))
TARGETS = {"ravdess": 0.70, "emodb": 0.97, "nemo": 0.62}


def test_it_fits_into_forty_megabytes() -> None:
    package = ROOT / "emosllm"
    assert sum(p.stat().st_size for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts) <= 40e6


def test_whispers_licence_lies_beside_its_weights() -> None:
    assert "MIT License" in (BUILTIN / "nano-encoder" / "LICENSE").read_text(encoding="utf-8")


def test_corpora_that_it_never_met_are_reported_and_adaptation_helps() -> None:
    plain, adapted = (FIGURES[name].values() for name in ("left_out", "left_out_adapted"))
    assert np.mean([row["ua"] for row in plain]) >= 0.49
    assert np.mean([row["ua"] for row in adapted]) >= 0.51
    for before, after in zip(plain, adapted, strict=True):
        assert after["ua_own_classes"] > before["ua_own_classes"]
    assert np.mean([row["ece"] for row in plain]) <= 0.16
    assert np.mean([row["ece"] for row in adapted]) <= 0.11


def test_its_card_is_written_from_its_figures() -> None:
    assert (BUILTIN / "nano" / "README.md").read_text(encoding="utf-8") == card(FIGURES)


def test_the_results_page_is_written_from_its_figures() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert fill(page, FIGURES) == page
    assert results(FIGURES) in page


def test_the_study_on_the_results_page_is_what_its_file_says() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    study = json.loads((ROOT / "docs" / "results" / "study-transcripts.json").read_text(encoding="utf-8"))
    assert len(study["rows"]) == 7
    for row in study["rows"]:
        low, high = row["interval"]["low"], row["interval"]["high"]
        assert f"| {row['name']} | {row['pooled']:.3f} [{low:.3f}, {high:.3f}] |" in page


@pytest.mark.parametrize(("corpus", "target"), TARGETS.items())
def test_its_figures_on_speakers_it_never_met_reach_the_target(corpus: str, target: float) -> None:
    assert FIGURES["nano"]["test"][corpus]["ua"] >= target


def test_its_figures_are_what_it_does(nano: Recogniser) -> None:
    if not REAL.is_dir():
        pytest.skip("the real speech that nano was scored on is not here")
    chosen = [u for u in read_manifest(REAL / "emodb" / "manifest.csv") if u.split == "test"]
    labels = [prediction.label for prediction in nano.predict(chosen)]
    reference = [u.emotion or "" for u in chosen]
    assert score(reference, labels, nano.labels.names).ua == pytest.approx(
        FIGURES["nano"]["test"]["emodb"]["ua"], abs=0.02
    )


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_alone_gets_the_answer_it_gets_in_company(nano: Recogniser, path: Path) -> None:
    together = [
        p for p in nano.predict(map(emosllm.inference.recogniser.as_utterance, RECORDINGS)) if p.path == str(path)
    ]
    alone = nano(path)
    assert alone.transcript == together[0].transcript
    assert alone.probabilities == pytest.approx(dict(together[0].probabilities), abs=1e-4)
    assert sum(alone.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize("gain_db", [-20, -40])
def test_gain_changes_nothing(nano: Recogniser, gain_db: float) -> None:
    samples = load_audio(RECORDINGS[0])
    softer = (samples * 10 ** (gain_db / 20)).astype(np.float32)
    assert dict(nano(softer).probabilities) == pytest.approx(dict(nano(samples).probabilities), abs=0.02)
