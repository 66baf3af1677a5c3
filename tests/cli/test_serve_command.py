"""`emosllm serve`: mistakes are one line and exit code 2, and known before a system is loaded."""

import signal
import socket
import sys
from unittest import mock

import pytest
from commandline import emosllm, refused

pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

from bench.live_server import serving
from emosllm.serving.server import Address, bound, read_token, url_of


def test_help_has_an_example():
    answer = emosllm("serve", "--help")
    assert answer.code == 0
    assert "emosllm serve nano --port 7860" in answer.out
    for option in (
        "--host",
        "--token-file",
        "--max-seconds",
        "--max-megabytes",
        "--queue",
        "--batch-size",
        "--compare",
    ):
        assert option in answer.out


def test_a_port_that_is_taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = refused("serve", "nano", "--port", port)
    assert f"cannot listen at 127.0.0.1 port {port}" in line
    assert "give another --port" in line


def test_a_host_of_another_machine():
    assert "cannot listen at 192.0.2.1 port 0" in refused("serve", "nano", "--host", "192.0.2.1", "--port", 0)


def test_no_such_system():
    assert "nowhere" in refused("serve", "nowhere", "--port", 0)


def test_two_systems_of_one_name():
    assert "two systems would be called 'nano'" in refused("serve", "nano", "--compare", "nano", "--port", 0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"", "16 letters and digits or more"),
        (b"short", "16 letters and digits or more"),
        (b"two words that are long enough", "without blanks"),
        ("ä".encode() * 20, "16 letters and digits"),
        (b"\xff\xfe" * 20, "not text"),
    ],
)
def test_token_files_that_hold_no_token(tmp_path, content, words):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    line = refused("serve", "nano", "--port", 0, "--token-file", path)
    assert str(path) in line
    assert words in line


def test_a_token_may_end_with_a_line(tmp_path):
    (tmp_path / "token").write_text("correct-horse-battery\n", encoding="utf-8")
    assert read_token(tmp_path / "token") == "correct-horse-battery"


def test_without_the_extra_it_says_what_to_install():
    with mock.patch.dict(sys.modules, {"uvicorn": None, "emosllm.serving.server": None}):
        del sys.modules["emosllm.serving.server"]
        assert refused("serve", "nano") == "emosllm: serving needs uvicorn: pip install 'emosllm[serve]'"


def test_addresses_are_told_as_a_browser_wants_them():
    for host, start in (("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:"), ("::1", "http://[::1]:")):
        if host == "::1" and not socket.has_ipv6:
            continue
        with bound(Address(host, 0)) as listener:
            assert url_of(listener).startswith(start)


def test_others_are_let_in_only_with_a_warning():
    with serving("--no-page", "--host", "0.0.0.0") as live:
        warning, ready = live.lines
        assert warning.startswith("emosllm: warning: 0.0.0.0 can be reached from other machines")
        assert "--token-file" in warning
        assert ready.startswith("emosllm: nano at http://127.0.0.1:")
        assert live.stop(signal.SIGINT) == 0


def test_help_and_other_verbs_need_no_server_library():
    with mock.patch.dict(sys.modules, {"fastapi": None, "gradio": None, "uvicorn": None}):
        assert emosllm("serve", "--help").code == 0
        assert emosllm("recipes", "list").code == 0
