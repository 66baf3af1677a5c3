"""`sweep` and `evaluate --protocol` on the command line: what is printed and left, exit codes, one-line refusals."""

import json

import pytest
from commandline import emosllm, refused, write_rows

TEXT = (
    "phases.ser={epochs: 1, optimiser: {batch_size: 4, learning_rate: 0.01}}",
    "labels=iemocap4",
    "lora={rank: 2, alpha: 4}",
    "training={precision: float32, micro_batch: 4, choose_by: ua}",
)


@pytest.fixture(scope="module")
def reader(parts):
    return (next(part for part in parts if part.startswith("llm.")), *TEXT)


@pytest.fixture(scope="module")
def turns(tmp_path_factory):
    """Sixteen lines of two sessions, two speakers each, as IEMOCAP's."""
    rows = [
        {
            "id": f"turn{index}",
            "transcript": f"line {index}",
            "emotion": ("angry", "happy", "neutral", "sad")[index % 4],
            "speaker": f"iemocap_{1 + index // 8}{'FM'[index % 2]}",
            "session": f"iemocap_{1 + index // 8}",
            "corpus": "iemocap",
        }
        for index in range(16)
    ]
    return write_rows(tmp_path_factory.mktemp("turns") / "turns.csv", rows)


def test_a_sweep_prints_its_table_and_leaves_its_files(reader, turns, tmp_path):
    words = ("sweep", "gemma-text", "--data", turns, "--out", tmp_path / "out", "--folds", 2, *reader, "lora.alpha=4,8")
    answer = emosllm(*words)
    assert answer.code == 0, answer
    assert "lora.alpha" in answer.out
    assert "The last weights of each training were taken" in " ".join(answer.out.split())
    assert "run 4 of 4: lora.alpha=8, fold-2" in answer.err
    assert str(tmp_path / "out" / "results.md") in answer.err
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["values"] for row in found["rows"]] == [{"lora.alpha": "4"}, {"lora.alpha": "8"}]
    assert (tmp_path / "out" / "results.svg").stat().st_size > 1000
    assert "holds an experiment: continue it with --resume" in refused(*words)
    again = emosllm(*words, "--resume")
    assert (again.code, again.out) == (0, answer.out)
    assert "run 1 of 4" not in again.err


def test_a_protocol_prints_the_report_and_the_folds(reader, turns, tmp_path):
    words = ("evaluate", "gemma-text", "--protocol", "iemocap-loso", "--data", turns, *reader)
    line = refused(*words, "--out", tmp_path / "out")
    assert "protocol iemocap-loso: IEMOCAP: 4 speakers, the complete corpus has 10" in line
    assert "Use --partial to continue" in line
    assert not (tmp_path / "out").exists()
    answer = emosllm(*words, "--out", tmp_path / "out", "--partial")
    assert answer.code == 0, answer
    said = " ".join(answer.out.split())
    assert "gemma-text on iemocap-loso (PARTIAL) (2 folds, each clip tested once)" in said
    assert "PARTIAL, not comparable with published figures" in said
    scored = emosllm("evaluate", next((tmp_path / "out").glob("runs/*/*-seed-0")), "--protocol", "iemocap-loso",
                     "--data", turns, "--partial")  # fmt: skip
    assert scored.code == 0, scored
    assert "The system was not trained under this protocol" in " ".join(scored.out.split())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--protocol", "loso"), "unknown protocol 'loso': known are msp-podcast,"),
        (("--protocol", "meld"), "protocol meld tests meld, and the data have iemocap"),
        (("--protocol", "iemocap-loso", "--partial"), "trains gemma-text 2 times: give --out DIR"),
        (("--protocol", "iemocap-loso", "--split", "test"), "--split and --protocol cannot be used together"),
        (("--protocol", "iemocap-loso", "--labels", "sad"), "--labels and --protocol cannot be used together"),
        (
            ("--protocol", "iemocap-loso", "--partial", "--calibrate"),
            "--calibrate: fold-iemocap_1 has no validation part",
        ),
        (("--protocol", "iemocap-loso", "--partial", "--robustness", "quiet"), "gemma-text takes no audio"),
        (("--protocol", "iemocap-loso", "--robustness", "thunder"), "unknown condition 'thunder'"),
        (
            ("--protocol", "iemocap-loso", "--partial", "--answers", "generate", "--abstain-below", "0.5"),
            "--abstain-below needs probabilities",
        ),
    ],
)
def test_mistakes_with_protocols_are_one_line(reader, turns, words, line):
    assert line in refused("evaluate", "gemma-text", "--data", turns, *reader, *words)


def test_a_protocol_is_asked_as_a_single_run_is(reader, turns, tmp_path):
    words = ("evaluate", "gemma-text", "--protocol", "iemocap-loso", "--partial", "--data", turns, *reader)
    asked = ("--temperature", "1.7", "--abstain-below", "0.3", "--seed", 5, "--transcripts", "given")
    answer = emosllm(*words, "--out", tmp_path / "out", *asked)
    assert answer.code == 0, answer
    found = json.loads(next((tmp_path / "out").glob("scores/*/seed-0/report.json")).read_text())
    assert found["confidence"]["temperature"] == 1.7
    assert (found["selective"]["threshold"], found["selective"]["n"], found["seed"]) == (0.3, 16, 5)
    said = emosllm(*words, "--out", tmp_path / "out", "--answers", "generate", "--resume")
    assert said.code == 0, said
    assert "Text that named no label" in " ".join(said.out.split())
    assert len(list((tmp_path / "out").glob("runs/*/*/run.json"))) == 2  # of two folds, whatever was asked


def test_a_page_of_a_protocol(reader, turns, tmp_path):
    words = ("evaluate", "gemma-text", "--protocol", "iemocap-loso", "--partial", "--data", turns, *reader)
    assert emosllm(*words, "--out", tmp_path / "one").code == 0
    assert emosllm(*words, "lora.alpha=8", "--out", tmp_path / "other").code == 0
    page = tmp_path / "page.html"
    answer = emosllm("report", tmp_path / "one", tmp_path / "other", "--out", page)
    assert (answer.code, answer.err) == (0, f"{page}: written\n")
    assert "Folds and seeds" in page.read_text("utf-8")
    printed = emosllm("report", tmp_path / "one", tmp_path / "other", "--format", "latex")
    assert "gemma-text (other)" in printed.out


@pytest.mark.parametrize("words", [("--seeds", 2), ("--resume",), ("--partial",), ("--test-only",), ("--calibrate",)])
def test_options_of_protocols_are_refused_without_one(reader, turns, words):
    assert f"{words[0]} is for --protocol" in refused("evaluate", "nano", "--data", turns, *words)


def test_a_study_prints_its_table_and_where_it_comes_from(reader, turns, tmp_path):
    words = ("study", "size", "gemma-text", "--data", turns, "--folds", 2, *reader)
    answer = emosllm(*words, "--out", tmp_path / "out")
    assert answer.code == 0, answer
    assert "Source: ours." in answer.out
    assert "# gemma-text: How much does more training data help?" in (tmp_path / "out" / "results.md").read_text()
    assert "no study 'sizes': known are cues," in refused("study", "sizes", *words[2:], "--out", tmp_path / "other")


def test_sweeps_and_studies_take_a_protocols_splits(reader, tmp_path):
    rows = [
        {
            "id": f"line{index}",
            "transcript": f"line {index}",
            "emotion": ("anger", "joy", "neutral", "sadness")[index % 4],
            "speaker": f"meld_{index // 4 % 2}",
            "split": ("train", "val", "test")[index % 3],
            "corpus": "meld",
        }
        for index in range(24)
    ]
    data = ("--data", write_rows(tmp_path / "meld.csv", rows), "--protocol", "meld")
    parts = [part for part in reader if not part.startswith("labels=")]
    for verb in (("sweep", "gemma-text", "lora.alpha=4,8"), ("study", "size", "gemma-text")):
        words = (*verb, *data, "--out", tmp_path / verb[0], *parts)
        assert "MELD: splits: train 8 (complete: 9989)" in refused(*words)
        answer = emosllm(*words, "--partial")
        assert answer.code == 0, answer
        assert "2 of the tested ones. MELD's official splits have them so" in " ".join(answer.out.split())
    assert "--folds 3 and --protocol cannot be used together" in refused(*words, "--folds", 3)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("lora.rnk=1,2",), "unknown key 'lora.rnk'"),
        (("--folds", "9"), "4 speakers or recordings with a class of iemocap4 are too few for 9 folds"),
        (("--folds", "1"), "no utterance of split 'train' with a class of iemocap4; the data have (none) 16"),
        (("phases={}", "--folds", 2), "has no phases, so there is nothing to train"),
        (("prompt.templates=nowhere.yaml", "--folds", 2), "nowhere.yaml"),
    ],
)
def test_mistakes_with_sweeps_are_one_line(reader, turns, tmp_path, words, line):
    assert line in refused("sweep", "gemma-text", "--data", turns, "--out", tmp_path / "out", *reader, *words)
    assert not (tmp_path / "out").exists()


def test_a_strategy_that_needs_words_is_refused_before_anything_is_trained(turns, tmp_path):
    words = ("--data", turns, "--folds", 2, "--out", tmp_path / "out", "inference.strategy=ser,transcript-first")
    line = refused("sweep", "nano", *words)
    assert "strategy 'transcript-first' needs a transcript, and nano does not transcribe" in line
    assert not (tmp_path / "out").exists()
