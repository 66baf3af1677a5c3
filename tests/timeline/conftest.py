"""What the tests of timelines share: a recording of several voices."""

import pytest
from recordings import talk


@pytest.fixture(scope="session")
def interview(tmp_path_factory):
    """Six voices with two seconds of silence around each."""
    return talk(tmp_path_factory.mktemp("talk") / "interview.wav")
