"""Bad options, places that cannot be written to and missing extras: one line with the way out, and exit code 2."""

import sys

import pytest
from commandline import emosllm, refused

# --- options


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("contempt", ["no contempt", "it can answer angry, happy, neutral, sad"]),
        ("sad,contempt", ["no contempt"]),
        ("glee", ["unknown emotion 'glee'", "known are"]),
        (",", ["--labels ',' names no emotion", "for example"]),
        ("present", ["--labels present", "no utterance has a label"]),
    ],
)
def test_labels_that_the_model_was_not_trained_for(run, clips, labels, words):
    message = refused("predict", run, clips[0], "--labels", labels)
    assert all(word in message for word in words), message


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_a_device_that_is_not_there(run, clips, device):
    assert f"device '{device}' cannot be used here; this machine has cpu" in refused(
        "predict", run, clips[0], "--device", device
    )


def test_a_split_that_is_not_there_names_those_that_are(run, corpus):
    message = refused("evaluate", run, "--data", corpus, "--split", "exam")
    assert f"{corpus}: no utterance of split 'exam'" in message
    assert "train 8, val 4, test 4" in message


def test_a_corpus_without_a_reader_lists_the_readers(tmp_path):
    message = refused("prepare", "esd", tmp_path)
    assert "unknown corpus 'esd': there are readers for audformat, crema_d, " in message


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_a_corpus_that_is_not_in_the_folder(tmp_path, folder):
    message = refused("prepare", "ravdess", tmp_path / folder, "--out", tmp_path / "m.csv")
    assert str(tmp_path / folder) in message
    assert "Actor_01/03-01-06-01-02-01-12.wav" in message
    assert not list(tmp_path.iterdir())


# --- places to write to


@pytest.fixture
def blocked(tmp_path):
    """A place where nobody can write, root included: below a file."""
    (tmp_path / "file").write_text("mine")
    return tmp_path / "file" / "below"


def test_no_verb_can_write_below_a_file(run, corpus, clips, parts, blocked, monkeypatch):
    def asked(*_, **__):
        raise AssertionError("should be known before anything is computed")

    for words in (
        ("export", run, "--out", blocked),
        ("train", "emosllm", "--data", corpus, "--out", blocked, *parts),
    ):
        assert f"cannot write {blocked}" in refused(*words)
    monkeypatch.setattr("emosllm.inference.recogniser.Recogniser.predict", asked)
    assert f"cannot write {blocked}" in refused("evaluate", run, "--data", corpus, "--out", blocked)
    assert f"cannot write {blocked}" in refused("predict", run, clips[0], "--picture", blocked / "p.png")
    assert [path.name for path in blocked.parent.parent.iterdir()] == ["file"]


def test_a_picture_of_an_unknown_kind_is_refused_at_once(run, clips, tmp_path):
    message = refused("predict", run, clips[0], "--picture", tmp_path / "p.bmp")
    assert "pictures end in .png, .svg, .pdf" in message


def test_out_in_use_is_not_overwritten(run, corpus, parts, tmp_path):
    diary = tmp_path / "diary.txt"
    diary.write_text("dear diary")
    for words in (("export", run), ("train", "emosllm", "--data", corpus, *parts)):
        assert str(tmp_path) in refused(*words, "--out", tmp_path)
    assert diary.read_text() == "dear diary"
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_a_run_is_neither_begun_twice_nor_resumed_as_another(run, corpus, parts, tmp_path):
    train = ("train", "emosllm", "--data", corpus, "--out", run, *parts)
    assert "--resume continues it, another --out begins a new one" in refused(*train)
    assert "begun with another recipe" in refused(*train, "lora.rank=4", "--resume")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{")
    message = refused("train", "emosllm", "--data", corpus, "--out", tmp_path / "run", "--resume", *parts)
    assert "run.json is damaged" in message


# --- extras that are not installed


@pytest.fixture
def without(monkeypatch):
    """As if a library were not installed."""

    def hide(*libraries):
        for library in libraries:
            for name in [name for name in sys.modules if name == library or name.startswith(f"{library}.")]:
                monkeypatch.delitem(sys.modules, name)
            monkeypatch.setitem(sys.modules, library, None)

    return hide


def test_scoring_without_its_extra_is_refused_at_once(without, run, corpus):
    without("jiwer")
    assert "pip install 'emosllm[eval]'" in refused("evaluate", run, "--data", corpus)


def test_drawing_without_its_extra_is_refused_at_once(without, run, clips, tmp_path):
    without("matplotlib")
    message = refused("predict", run, clips[0], "--picture", tmp_path / "p.png")
    assert "drawing needs matplotlib: pip install 'emosllm[eval]'" in message


def test_cues_without_their_extra_are_refused(without, corpus, parts, tmp_path):
    without("parselmouth")
    answer = emosllm("train", "emosllm", "--data", corpus, "--out", tmp_path / "run", *parts, "prompt.cues=praat")
    assert answer.code == 2
    assert "pip install 'emosllm[cues]'" in answer.err.splitlines()[-1]
    assert "Traceback" not in answer.err
