"""The demonstration trains, and its answers to voices that it was not trained on are right."""

import io
from pathlib import Path

import pytest
from rich.console import Console

import demo.__main__ as demonstration
from demo.answers_table import answers_table, count_right
from emosllm.corpora.manifest import read_manifest
from emosllm.utterance import Prediction, Utterance

MANIFEST = read_manifest(Path(demonstration.__file__).parent / "corpus" / "manifest.csv")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[demonstration.Outcome, Path, str]:
    """Run the demonstration once; gives its folder and its output."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demonstration, "OUT", tmp_path_factory.mktemp("demo") / "out")
        printed = Console(file=io.StringIO(), width=80)
        outcome = demonstration.main(printed)
        return outcome, demonstration.OUT, printed.file.getvalue()


def test_all_but_one_are_right_after_the_training(shown: tuple[demonstration.Outcome, Path, str]) -> None:
    outcome, _, _ = shown
    assert len(outcome.test) >= 12
    assert len({utterance.emotion for utterance in outcome.test}) == 4
    assert count_right(outcome.test, outcome.after) >= len(outcome.test) - 1
    assert count_right(outcome.test, outcome.before) < count_right(outcome.test, outcome.after)


def test_it_did_not_learn_from_the_voices_that_it_shows(shown: tuple[demonstration.Outcome, Path, str]) -> None:
    learned = {utterance.speaker for utterance in MANIFEST if utterance.split in ("train", "val")}
    assert not {utterance.speaker for utterance in shown[0].test} & learned


def test_the_output_states_the_result_and_its_limits(shown: tuple[demonstration.Outcome, Path, str]) -> None:
    outcome, folder, text = shown
    after = f"after: {count_right(outcome.test, outcome.after)} of {len(outcome.test)} right"
    assert after in text
    assert "nothing about people" in text
    assert all(Path(prediction.path).stem.removeprefix("synthetic_") in text for prediction in outcome.after)
    assert "…" not in text
    for name in ("recordings.png", "timeline.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert (folder / "run" / "model" / "config.json").is_file()


def test_the_table_marks_each_answer() -> None:
    clips = [Utterance("a", emotion="sad"), Utterance("b", emotion="happy")]
    before = [Prediction("a.flac", "happy", {"happy": 0.75}), Prediction("b.flac", error="b.flac is empty")]
    after = [Prediction("a.flac", "sad", {"sad": 0.5}), Prediction("b.flac", "happy", {"happy": 0.875})]
    console = Console(file=io.StringIO(), width=100)
    console.print(answers_table(clips, before, after))
    lines = [line.split() for line in console.file.getvalue().splitlines() if "right" in line]
    assert lines[0] == ["a", "sad", "wrong", "happy", "0.75", "right", "sad", "0.50"]
    assert lines[1] == ["b", "happy", "wrong", "b.flac", "is", "empty", "right", "happy", "0.88"]
    assert (count_right(clips, before), count_right(clips, after)) == (0, 2)
