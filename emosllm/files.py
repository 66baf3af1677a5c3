"""Write files and folders atomically: write to a temporary sibling, then rename it to the final name.

An exception, Ctrl-C or `kill -9` leaves no partial file under the final name. A killed process may leave a hidden
`.*.tmp` sibling, which is never read. Limitations: only single files are synced to the disk, so a power cut may lose a
folder's newest files. A folder is replaced by two renames, because a swap in one call is not portable.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from emosllm.errors import UserError


def write_atomically(path: Path, text: str | bytes) -> None:
    """Write `text` to the file `path` atomically; create missing parent folders.

    Args:
        path: the file's final name; an existing file is replaced.
        text: text, written as UTF-8 with unchanged line ends, or bytes.

    Raises:
        UserError: the folder cannot be written to, the disk is full, or `path` is a folder.
    """
    content = text.encode("utf-8") if isinstance(text, str) else text
    with _our_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _sibling(path)
        try:
            # Not `tempfile`: it ignores the umask and makes files that only their owner can read.
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Provide a temporary file that is renamed to `path` when the block succeeds, and deleted when it fails.

    For content that is too long for memory; `write_atomically` needs the whole content.

    Yields:
        A path to write to, on the same disk; the file does not exist yet.

    Raises:
        UserError: the file cannot be written, or the block raises an `OSError`. Other exceptions of the block pass
            unchanged.
    """
    temporary = _sibling(path)
    try:
        with _our_words(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_folder(path: Path) -> None:
    """Create a folder and its parents if they are missing, and check that it can be written to.

    Raises:
        UserError: the folder cannot be created, or cannot be written to.
    """
    with _our_words(path):
        path.mkdir(parents=True, exist_ok=True)
        temporary = _sibling(path / "probe")
        temporary.touch()
        temporary.unlink()


@contextmanager
def atomic_folder(path: Path, marker: str | None = None) -> Iterator[Path]:
    """Provide a temporary folder that is renamed to `path` when the block succeeds, and deleted when it fails.

    Args:
        path: the folder's final name; an existing folder is replaced with all its content.
        marker: a file that every folder written by the caller contains (`config.json`). With it, a folder that is not
            empty and lacks that file is an error, so that `--out ~/recordings` does not delete recordings.

    Yields:
        An empty folder to write into, on the same disk.

    Raises:
        UserError: `path` cannot be written to, is a file, or is a folder with files but without `marker`. Exceptions
            of the block pass unchanged.
    """
    # Resolve links and `.`, so that the sibling is on the same disk as the final folder.
    path = path.resolve()
    with _our_words(path):
        _check_replaceable(path, marker)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _sibling(path)
        temporary.mkdir()
    try:
        yield temporary
        with _our_words(path):
            _take_the_place(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _take_the_place(temporary: Path, path: Path) -> None:
    """Rename `temporary` to `path`; an older folder is renamed first, and renamed back if that fails."""
    if not path.exists():
        temporary.rename(path)
        return
    aside = _sibling(path)
    path.rename(aside)
    try:
        temporary.rename(path)
    except BaseException:
        aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _check_replaceable(path: Path, marker: str | None) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise UserError(f"cannot write the folder {path}: a file has that name; give another one")
    if marker is not None and any(path.iterdir()) and not (path / marker).exists():
        raise UserError(f"will not replace {path}: it holds files but no {marker}; give an empty or a new folder")


def _sibling(path: Path) -> Path:
    """Return an unused hidden path beside `path`; its name is short even if `path.name` is long."""
    return path.parent / f".{path.name[:40]}.{uuid4().hex[:12]}.tmp"


@contextmanager
def _our_words(path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `UserError` of one line."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
