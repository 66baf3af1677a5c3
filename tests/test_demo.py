"""The demonstration's second half, shortened: it trains, and scores before and after."""

from pathlib import Path

import pytest
from rich.console import Console

import demo.__main__ as demonstration


def test_the_demonstration_trains_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "OUT", tmp_path)
    short = [f"phases.{phase}.epochs=0.1" for phase in ("p1", "p2", "p3")]
    monkeypatch.setattr(demonstration, "OVERRIDES", (*demonstration.OVERRIDES[:3], *short))
    before, after = demonstration.train_and_score(Console(quiet=True))
    assert before.n == after.n == 32
    assert (tmp_path / "run" / "model" / "config.json").is_file()
