"""Fixtures for the tests of corpora: miniature folders in the real layout, and the real recordings if they exist."""

from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def lay(tmp_path) -> Callable[..., Path]:
    """Write a folder of files with their texts; recordings stay empty, since no reader opens them."""

    def lay_out(*paths: str, **texts: str) -> Path:
        for path, text in {**dict.fromkeys(paths, ""), **texts}.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        return tmp_path

    return lay_out


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the shared recordings are not here")
    return SHARED
