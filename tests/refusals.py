"""The message with which a function refuses a mistake of the user: a `UserError` of one line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emosllm.audio import AudioError, load_audio
from emosllm.corpora import read_corpus
from emosllm.errors import UserError


def refusal(function: Callable[..., object], *arguments: object, **options: object) -> str:
    """The one line of the error that a call raises."""
    with pytest.raises(UserError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def audio_refusal(source: object, **options: object) -> str:
    """The one line of the error, an `AudioError`, that reading a recording raises."""
    with pytest.raises(AudioError):
        load_audio(source, **options)
    return refusal(load_audio, source, **options)


def corpus_refusal(name: str, root: Path, **options: str) -> str:
    """The one line of the error that a reader of a corpus raises."""
    return refusal(read_corpus, name, root, options)
