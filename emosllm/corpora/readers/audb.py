"""Databases in the repositories of audEERING's `audb`: download the header, the tables and the recordings.

The repositories are those of audb's configuration, by default its public one. This module does not call `audb.load`,
because a server could run code through it: it opens the header with a YAML loader that can construct any object, opens
pickled tables, and extracts an archive to any path that the names inside contain. This module takes from each archive
only the file that audb's table of dependencies names, and checks its MD5 sum. `audformat_tables` opens the files. This
needs the extra `corpora`. Limitations: audb's cache, its conversion of recordings, and attachments are not supported.
"""

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import track

from emosllm.corpora.card import Card
from emosllm.corpora.readers.audformat_tables import SUFFIXES
from emosllm.errors import UserError
from emosllm.extras import extra
from emosllm.files import atomic_file, write_atomically
from emosllm.utterance import Utterance

CARD = Card(
    title="a database of audb's repositories, downloaded",
    layout="the database's name, such as emodb",
    origin="https://audeering.github.io/datasets",
    licence="see the database's db.yaml",
    citation="Wagner, Wierstorf and others, audb, https://audeering.github.io/audb",
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # of databases and versions: no path
_CONNECTION = re.compile(r"^HTTPS?Connection(Pool)?\(.*?\): ")  # the beginning of urllib3's messages
_DOWNLOADS = 8  # at a time; a recording is often an archive of its own, and its download is mostly waiting


@dataclass(frozen=True, slots=True)
class AudbDatabase:
    """A version of a database in a repository that was reached.

    Attributes:
        name: of the database.
        version: such as `1.4.1`.
    """

    name: str
    version: str
    _repository: Any  # audbackend.interface.Versioned, opened
    _files: Any  # audb.Dependencies: what the version consists of

    def fetch_tables(self, folder: Path) -> None:
        """Download the header and all tables into `folder`, and replace existing files.

        Raises:
            UserError: the download failed, or the folder cannot be written to.
        """
        with _one_line(self.name):
            for file in self._files.tables:
                path = PurePosixPath(file)
                if path.suffix not in SUFFIXES:
                    continue
                table = path.stem.removeprefix("db.")
                remote = f"/{self.name}/meta/{table}{'.zip' if path.suffix == '.csv' else path.suffix}"
                content = self._content(remote, self._files.version(file), file)
                if path.suffix == ".csv":  # audb's sum of a Parquet file is of its content, not of its bytes
                    self._check(file, content)
                write_atomically(_resolve_inside(folder, file), content)
            # The header comes last, as a folder without a header is not read as a database.
            write_atomically(folder / "db.yaml", self._content(f"/{self.name}/db.yaml", self.version))

    def fetch_recordings(self, folder: Path, files: Iterable[str]) -> None:
        """Download recordings into `folder`; existing ones with the right MD5 sum are kept.

        Args:
            folder: the database's folder; recordings keep their paths below it.
            files: as the tables name them. Files that the version does not contain are skipped.

        Raises:
            UserError: the download failed, the MD5 sum of a recording is wrong, or the folder cannot be written to.
        """
        held = set(self._files.media) - set(self._files.removed_media)
        wanted = [file for file in dict.fromkeys(files) if file in held]
        console = Console(stderr=True)
        with _one_line(self.name), ThreadPoolExecutor(_DOWNLOADS) as pool:
            done = pool.map(lambda file: self._fetch_recording(folder, file), wanted)
            try:
                for _ in track(done, "recordings", len(wanted), console=console, disable=not console.is_terminal):
                    pass
            except BaseException:  # Ctrl-C too: do not wait for downloads that have not begun
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _fetch_recording(self, folder: Path, file: str) -> None:
        path = _resolve_inside(folder, file)
        if path.is_file() and hashlib.md5(path.read_bytes()).hexdigest() == self._files.checksum(file):
            return
        remote = f"/{self.name}/media/{self._files.archive(file)}.zip"
        content = self._content(remote, self._files.version(file), file)
        self._check(file, content)
        with atomic_file(path) as temporary:
            temporary.write_bytes(content)

    def _content(self, remote: str, version: str, member: str = "") -> bytes:
        """Download a file of the repository, and return its content; of an archive, that of one member."""
        with TemporaryDirectory() as folder:
            local = Path(folder) / PurePosixPath(remote).name
            self._repository.get_file(remote, str(local), version)
            if local.suffix != ".zip":
                return local.read_bytes()
            with zipfile.ZipFile(local) as archive:
                return archive.read(member)

    def _check(self, file: str, content: bytes) -> None:
        if hashlib.md5(content).hexdigest() != self._files.checksum(file):
            raise UserError(f"audb: {file} of {self.name} {self.version} came with another MD5 sum: try again")


@contextmanager
def open_database(name: str, version: str | None = None) -> Iterator[AudbDatabase]:
    """Find a database in audb's repositories, which are searched in their order.

    Args:
        name: such as `emodb`.
        version: the newest if `None`.

    Yields:
        The database, while the connection is open.

    Raises:
        UserError: audb is not installed, no repository could be reached, or none has that database or that version.
    """
    with extra("corpora", "a database of audb"):
        audb = import_module("audb")
    for word in (name, version or "0"):
        if not _NAME.fullmatch(word):
            raise UserError(f"{word!r} is not a name or version of an audb database: give one such as emodb, 1.4.1")
    with _one_line(name):
        repository, version = _find(audb, name, version)
    try:
        with _one_line(name):
            files = _dependencies(audb, repository, name, version)
        yield AudbDatabase(name, version, repository, files)
    finally:
        repository.backend.close()


def fetch(name: str, parent: Path, version: str | None, read: Callable[[Path], Sequence[Utterance]] | None) -> Path:
    """Download a database into the folder `<name>-<version>` below `parent`, and return that folder.

    Args:
        name: of the database.
        parent: created if it does not exist.
        version: the newest if `None`.
        read: returns the utterances of the folder with the tables; their recordings are downloaded. `None` downloads no
            recordings.

    Raises:
        UserError: as of `open_database`; the download failed; or `read` refuses the tables.
    """
    with open_database(name, version) as database:
        folder = parent / f"{database.name}-{database.version}"
        database.fetch_tables(folder)
        audio = [utterance.audio for utterance in read(folder)] if read else []
        database.fetch_recordings(folder, [_name_in(folder, path) for path in audio if isinstance(path, Path)])
    return folder


def _find(audb: Any, name: str, version: str | None) -> tuple[Any, str]:
    """Return the opened repository with the database, and the chosen version."""
    failures: list[str] = []
    known: list[str] = []
    for place in audb.config.REPOSITORIES:
        try:
            repository = place.create_backend_interface()
            repository.backend.open()
        except Exception as error:  # whatever the backend's client raises
            failures.append(f"{place.name} at {place.host}: {_reason(error)}")
            continue
        versions = repository.versions(f"/{name}/db.yaml", suppress_backend_errors=True) or []
        if versions and (version is None or version in versions):
            return repository, version or import_module("audeer").sort_versions(versions)[-1]
        known += versions
        repository.backend.close()
    if known:
        raise UserError(f"audb has no version {version} of {name}: it has {', '.join(known)}")
    if failures:
        raise UserError(f"audb cannot reach its repository {failures[0]}: check the network")
    places = ", ".join(place.name for place in audb.config.REPOSITORIES)
    raise UserError(f"audb has no database {name!r} in {places}: see {CARD.origin} for the names")


def _dependencies(audb: Any, repository: Any, name: str, version: str) -> Any:
    """Download the table of all files of a version; audb's cache of it is a pickle and is not used."""
    with TemporaryDirectory() as folder:
        local = Path(folder) / "db.parquet"
        if repository.exists(f"/{name}/db.parquet", version):
            repository.get_file(f"/{name}/db.parquet", str(local), version)
        else:  # published with audb before 1.7
            archive, local = Path(folder) / "db.zip", local.with_suffix(".csv")
            repository.get_file(f"/{name}/db.zip", str(archive), version)
            with zipfile.ZipFile(archive) as members:
                local.write_bytes(members.read("db.csv"))
        files = audb.Dependencies()
        files.load(str(local))
        return files


def _resolve_inside(folder: Path, file: str) -> Path:
    """Return the path of a file of the database; it must be inside the folder."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file or ":" in file:
        raise UserError(f"{folder.name}: its file {file!r} is outside the database's folder: do not use it")
    return folder / path


def _name_in(folder: Path, path: Path) -> str:
    """Return the name of a recording in the database; it must be inside the folder."""
    file = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
    return _resolve_inside(folder, file).relative_to(folder).as_posix()


@contextmanager
def _one_line(name: str) -> Iterator[None]:
    """Turn any error of a download into a `UserError` of one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # whatever the backend, pyarrow or zipfile raise
        way = "check the network and audb's configuration, and try again"
        raise UserError(f"audb cannot download {name} ({_reason(error)}): {way}") from None


def _reason(error: Exception) -> str:
    """Return the innermost cause of a backend's error, in one short line."""
    cause: Any = getattr(error, "exception", error)  # audbackend.BackendError
    cause = getattr(cause, "reason", None) or cause  # urllib3's MaxRetryError
    line = _CONNECTION.sub("", " ".join(str(cause).split())) or type(cause).__name__
    return line[:200]
