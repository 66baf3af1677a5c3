"""What the tests of sinks share: nano."""

import pytest

import emosllm


@pytest.fixture(scope="session")
def nano():
    return emosllm.load("nano", device="cpu")
