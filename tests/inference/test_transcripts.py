"""Whose words a system works with: the utterance's, another recogniser's, its own; and that it is told."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny

import emosllm
from emosllm.inference.transcripts import recognise
from emosllm.utterance import Prediction, Utterance

VOICES = sorted((Path(__file__).parents[2] / "demo" / "recordings").glob("*.flac"))


class Scribe:
    """Writes down how long each clip is, and how many came together."""

    name = "asr scribe"

    def __init__(self):
        self.calls = []

    def __call__(self, clips):
        self.calls.append(len(clips))
        return [f"{len(clip)} samples" for clip in clips]


@pytest.fixture(scope="module")
def nano():
    return emosllm.load("nano", device="cpu")


@pytest.fixture
def utterances():
    """A recording with words, one without, a missing one, and samples in memory."""
    return [
        Utterance("0", VOICES[0], transcript="I said this."),
        Utterance("1", VOICES[1]),
        Utterance("2", Path("nowhere.wav")),
        Utterance("3", tiny.clip(0.5)),
    ]


def sources(found):
    return [(answer.prediction.transcript, answer.transcript_from) for answer in found]


def test_by_itself_the_system_listens(nano, utterances):
    found = list(recognise(nano, utterances, 2))
    assert [source for _, source in sources(found)] == ["model", "model", None, "model"]
    assert [answer.prediction for answer in found] == list(nano.predict(utterances, 2))
    assert [answer.utterance for answer in found] == utterances


def test_given_words_are_taken_and_the_rest_heard(nano, utterances):
    found = sources(recognise(nano, utterances, given=True))
    assert found[0] == ("I said this.", "given")
    assert [source for _, source in found[1:]] == ["model", None, "model"]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_transcriber_fills_what_nobody_gave(nano, utterances, batch_size):
    scribe = Scribe()
    found = sources(recognise(nano, utterances, batch_size, given=True, transcriber=scribe))
    assert found[0] == ("I said this.", "given")
    assert found[2] == (None, None)
    assert found[3] == ("8000 samples", "asr scribe")
    assert found[1][1] == "asr scribe"
    assert sum(scribe.calls) == 2
    assert max(scribe.calls) <= batch_size


def test_without_given_a_transcriber_hears_all_again(nano, utterances):
    found = sources(recognise(nano, utterances, transcriber=Scribe()))
    assert [source for _, source in found] == ["asr scribe", "asr scribe", None, "asr scribe"]


def test_a_stretch_is_transcribed_and_recognised_as_that_stretch(nano):
    stretch = Utterance("s", VOICES[0], start=0.1, end=0.6)
    (answer,) = recognise(nano, [stretch], transcriber=Scribe())
    assert answer.prediction.transcript == "8000 samples"
    assert answer.utterance is stretch
    assert answer.prediction.path == str(VOICES[0])


def test_words_matter_to_the_answer(nano):
    """The given words stand in the question: other words, other probabilities."""
    asked = [Utterance(words, VOICES[0], transcript=words) for words in ("I am so happy!", "Leave me alone!")]
    one, other = recognise(nano, asked, given=True)
    assert one.prediction.probabilities != other.prediction.probabilities


def test_a_system_that_reads_keeps_the_words_it_was_given():
    """Such a system needs the transcript, whatever was said about transcripts."""

    class Reader:
        processor = SimpleNamespace(reads=True)

        def predict(self, utterances, batch_size, transcripts):
            for utterance in utterances:
                yield Prediction(utterance.id, "sad", {"sad": 1.0}, utterance.transcript)

    (answer,) = recognise(Reader(), [Utterance("text", transcript="Oh no.")])
    assert (answer.prediction.transcript, answer.transcript_from) == ("Oh no.", "given")
