"""Whose words a system works with: the utterance's, another recogniser's, its own; and that it is told."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny
from talking import talking_folder

import emosllm
from emosllm.errors import UserError
from emosllm.inference.clips import ClipReader
from emosllm.inference.recogniser import Recogniser
from emosllm.inference.rows import RecognitionOptions
from emosllm.inference.rows import recognise as stream
from emosllm.inference.transcripts import TranscriptSources
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
def talker(tmp_path_factory):
    """A system that claims the words it writes."""
    return emosllm.load(talking_folder(tmp_path_factory.mktemp("talking") / "talker"), device="cpu")


@pytest.fixture
def utterances():
    """A recording with words, one without, a missing one, and samples in memory."""
    return [
        Utterance("0", VOICES[0], transcript="I said this."),
        Utterance("1", VOICES[1]),
        Utterance("2", Path("nowhere.wav")),
        Utterance("3", tiny.clip(0.5)),
    ]


def recognise(recogniser, utterances, batch_size=8, *, given=False, transcriber=None):
    clips = recogniser.reader(samples=transcriber is not None).read(utterances)
    return stream(
        recogniser, clips, RecognitionOptions(batch_size, TranscriptSources(listed=given, transcriber=transcriber))
    )


def sources(found):
    return [(answer.prediction.transcript, answer.transcript_from) for answer in found]


def test_a_system_that_transcribes_listens_by_itself(talker, utterances):
    found = list(recognise(talker, utterances, 2))
    assert [source for _, source in sources(found)] == ["model", "model", None, "model"]
    assert [answer.prediction for answer in found] == list(talker.predict(utterances, 2))
    assert [answer.utterance for answer in found] == utterances


def test_given_words_are_taken_and_the_rest_heard(talker, utterances):
    found = sources(recognise(talker, utterances, given=True))
    assert found[0] == ("I said this.", "given")
    assert [source for _, source in found[1:]] == ["model", None, "model"]


def test_a_system_that_does_not_transcribe_shows_given_words_and_no_others(nano, utterances):
    assert sources(recognise(nano, utterances)) == [(None, None)] * 4
    found = sources(recognise(nano, utterances, given=True))
    assert found == [("I said this.", "given"), (None, None), (None, None), (None, None)]
    assert nano(VOICES[0]).transcript is None
    assert nano(VOICES[0], transcript="I said this.").transcript == "I said this."


@pytest.mark.parametrize("strategy", ["transcript-first", "transcript-in-prompt"])
def test_a_strategy_that_rests_on_words_needs_real_ones(nano, utterances, strategy):
    """nano writes the same few sentences for any recording, so such a strategy is told the words or refused."""
    asked = Recogniser(nano.model, nano.processor, strategy)
    assert (asked.writes_words, asked.needs_words) == (False, True)
    refused = rf"strategy '{strategy}' needs the words, and nano does not transcribe: give them .*, or use strategy ser"
    with pytest.raises(UserError, match=refused):
        asked(VOICES[0])
    found = [answer.prediction for answer in recognise(asked, utterances[:2], given=True)]
    assert found[0].transcript == "I said this."
    assert found[0].probabilities != nano(VOICES[0]).probabilities
    assert f"needs one under strategy {strategy}" in found[1].error
    heard = sources(recognise(asked, utterances[:2], transcriber=Scribe()))
    assert [source for _, source in heard] == ["asr scribe", "asr scribe"]


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


def test_words_matter_to_the_answer(talker):
    """The given words stand in the question: other words, other probabilities."""
    asked = [Utterance(words, VOICES[0], transcript=words) for words in ("I am so happy!", "Leave me alone!")]
    one, other = recognise(talker, asked, given=True)
    assert one.prediction.probabilities != other.prediction.probabilities


def test_a_system_that_reads_keeps_the_words_it_was_given():
    """Such a system needs the transcript, whatever was said about transcripts."""

    class Reader:
        processor = SimpleNamespace(takes_transcript=True, takes_audio=False)

        def check_transcripts(self, given):
            assert given

        def recognise(self, clips, batch_size):
            for clip in clips:
                yield clip, Prediction(clip.name, "sad", {"sad": 1.0}, clip.transcript)

    clips = ClipReader(Reader.processor, samples=False).read([Utterance("text", transcript="Oh no.")])
    (answer,) = stream(Reader(), clips)
    assert (answer.prediction.transcript, answer.transcript_from) == ("Oh no.", "given")
