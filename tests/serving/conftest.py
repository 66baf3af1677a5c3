"""What the tests of the server share: nano behind an app, and recordings as bytes."""

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from serving_recordings import RECORDINGS, as_wav
from starlette.testclient import TestClient
from talking import talking_folder

import emosllm
from emosllm.audio import load_audio
from emosllm.serving.app import build_app
from emosllm.serving.service import ServerLimits, Service


@pytest.fixture(scope="session")
def talking(tmp_path_factory):
    """The folder of a system that claims the words it writes."""
    return talking_folder(tmp_path_factory.mktemp("talking") / "talker")


@pytest.fixture(scope="session")
def talker(talking):
    return emosllm.load(talking, device="cpu")


@pytest.fixture(scope="session")
def clip() -> bytes:
    """A clip of speech, two seconds long."""
    return RECORDINGS[0].read_bytes()


@pytest.fixture(scope="session")
def long_clip() -> bytes:
    """Six utterances with pauses between them, longer than nano takes as one."""
    pause = np.zeros(int(3.5 * 16_000), np.float32)
    return as_wav(np.concatenate([part for path in RECORDINGS for part in (load_audio(path), pause)]))


@pytest.fixture(scope="session")
def serve(nano):
    """Makes clients of apps with the given limits; the model is shared, the queue is not."""

    def made(token: str | None = None, page: bool = False, systems=None, transcriber=None, **limits) -> TestClient:
        service = Service(systems or {"nano": nano}, ServerLimits(**limits), transcriber)
        return TestClient(build_app(service, token, page=page), raise_server_exceptions=False)

    return made


@pytest.fixture(scope="session")
def client(serve):
    with serve() as client:
        yield client
