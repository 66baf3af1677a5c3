"""The message with which a function refuses a mistake of the user: a `UserError` of one line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emosllm.audio import AudioError, load_audio
from emosllm.corpora import read_corpus
from emosllm.errors import UserError


def refusal(
    function: Callable[..., object], *arguments: object, error: type[UserError] = UserError, **options: object
) -> str:
    """The one line of the error that a call raises."""
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert isinstance(caught.value, UserError)
    assert "\n" not in message
    return message


def audio_refusal(source: object, **options: object) -> str:
    """The one line of the error that reading a recording raises."""
    return refusal(load_audio, source, error=AudioError, **options)


def corpus_refusal(name: str, root: Path, **options: str) -> str:
    """The one line of the error that a reader of a corpus raises."""
    return refusal(read_corpus, name, root, options)
