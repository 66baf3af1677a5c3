"""Run a server: load the systems, bind the port, serve until a signal, finish the admitted requests."""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from emosllm import load
from emosllm.errors import UserError
from emosllm.inference.asr import load_asr
from emosllm.inference.recogniser import Recogniser
from emosllm.recipe_parts import Strategy
from emosllm.serving.app import STOP_SECONDS, build_app
from emosllm.serving.guards.connections import LimitedConnection
from emosllm.serving.service import ServerLimits, Service

_CLOSE_SECONDS = 2  # that a stopping server waits for clients to read their answers
_SHORTEST_TOKEN = 16  # characters; shorter ones can be guessed


@dataclass(frozen=True)
class Address:
    """Where the server listens, and the token that clients need.

    Attributes:
        host: a name or an address of this machine; 0.0.0.0 stands for all of them.
        port: 0 chooses a free one.
        token_file: a file whose first line is the bearer token of the clients.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    token_file: Path | None = None


@dataclass(frozen=True)
class Systems:
    """Which systems to serve, and how they are loaded.

    Attributes:
        names: the first is the default of requests.
        device: as in `load`.
        strategy: as in `load`.
        labels: as in `load`.
        asr: a speech recogniser, as in `load_asr`.
    """

    names: Sequence[str] = ("nano",)
    device: str | None = None
    strategy: Strategy | None = None
    labels: Sequence[str] | None = field(default=None)
    asr: str | None = None


def serve(systems: Systems, address: Address, limits: ServerLimits, *, page: bool = True) -> None:
    """Serve until SIGINT or SIGTERM; then finish the admitted requests, and return.

    The address and the token file are checked before a system is loaded.

    Raises:
        UserError: a system does not exist, the port is in use, or the token file cannot be used.
    """
    token = None if address.token_file is None else read_token(address.token_file)
    listener = bound(address)
    with listener:
        only_local = _is_loopback(listener)
        if token is None and not only_local:
            print(
                f"emosllm: warning: {address.host} can be reached from other machines, and all of them may use it; "
                "give --token-file, or --host 127.0.0.1",
                file=sys.stderr,
            )
        transcriber = None if systems.asr is None else load_asr(systems.asr, systems.device)
        service = Service(load_systems(systems), limits, transcriber)
        app = build_app(service, token, page=page, only_local=only_local)
        config = uvicorn.Config(
            _cancellable(app),
            log_config=None,
            access_log=False,  # requests are not logged, to protect the clients' privacy
            timeout_graceful_shutdown=_CLOSE_SECONDS,
            http=LimitedConnection,
            ws="none",
            server_header=False,
        )
        _Server(config, service, url_of(listener)).serve_here(listener)


class _Server(uvicorn.Server):
    """uvicorn that prints its address, and answers 503 as soon as it receives a signal."""

    def __init__(self, config: uvicorn.Config, service: Service, url: str) -> None:
        super().__init__(config)
        self._service, self._url = service, url

    def serve_here(self, listener: socket.socket) -> None:
        """Run until a signal stops the server."""
        logging.basicConfig(level=logging.WARNING, format="emosllm: %(message)s")
        for library in ("python_multipart", "uvicorn"):  # they write a line for each malformed request
            logging.getLogger(library).setLevel(logging.ERROR)
        # uvicorn raises the signal again after it has finished. A stopped server has not failed.
        before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.run(sockets=[listener])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if not self.started:
            raise UserError("the server could not start; the lines above say why")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the address."""
        await super().startup(sockets)
        if self.started:
            print(f"emosllm: {', '.join(self._service.systems)} at {self._url} (Ctrl-C stops)", file=sys.stderr)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Admit nothing more, finish the admitted requests, stop."""
        self._service.batcher.refuse_more()
        self._service.uploads.stop()
        until = time.monotonic() + STOP_SECONDS
        while self._service.batcher.admitted and not self.force_exit and time.monotonic() < until:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)


def _cancellable(app: ASGIApp) -> ASGIApp:
    """An app whose requests end without a traceback when a stopping server cancels them."""

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return called


def load_systems(systems: Systems) -> dict[str, Recogniser]:
    """The systems by their names in answers. A folder is named by its last part, since answers must not reveal paths.

    Raises:
        UserError: a system cannot be loaded, or two have the same name.
    """
    found: dict[str, Recogniser] = {}
    for name in systems.names:
        shown = Path(name).resolve().name if Path(name).exists() else name
        if shown in found:
            raise UserError(f"two systems would be called {shown!r}: rename a folder, or name another system")
        found[shown] = load(name, device=systems.device, strategy=systems.strategy, labels=systems.labels)
    return found


def read_token(path: Path) -> str:
    """The token in a file.

    Raises:
        UserError: the file cannot be read, or its token is too short.
    """
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise UserError(f"--token-file {path} cannot be read ({why}): give a file that holds one line") from None
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or any(letter.isspace() for letter in token):
        raise UserError(
            f"--token-file {path}: a token is one line of {_SHORTEST_TOKEN} letters and digits or more, without "
            "blanks; make one with `openssl rand -hex 24`"
        )
    return token


def bound(address: Address) -> socket.socket:
    """A socket that listens at the address.

    Raises:
        UserError: the port is in use or not allowed, or the host is not this machine's.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except OSError as error:
        raise UserError(
            f"cannot listen at {address.host} port {address.port} ({error.strerror}): give another --port, or a --host "
            "of this machine"
        ) from None
    except OverflowError:
        raise UserError(f"--port {address.port} is not a port: give 0 to 65535") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """The address for a browser."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(listener: socket.socket) -> bool:
    return ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback
