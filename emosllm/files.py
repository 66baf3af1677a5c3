"""Writing so that nothing half-written ever stands under a final name: a temporary sibling first, then one rename.

Holds against exceptions, Ctrl-C and `kill -9`; a killed process may leave a hidden `.*.tmp` sibling behind, which
nobody reads. Given up: only single files are synced to the disk, so a power cut right after may still lose a folder's
newest files; and a folder is replaced by two renames, since one that swaps them is not portable.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from emosllm.errors import UserError


def write_atomically(path: Path, text: str | bytes) -> None:
    """Put `text` into the file `path`, all of it or nothing; missing parent folders are made.

    Args:
        path: the file's final name; one that is there is replaced.
        text: written as UTF-8 with the line ends it has; bytes as they are.

    Raises:
        UserError: the folder cannot be written to, the disk is full, or `path` is a folder.
    """
    content = text.encode("utf-8") if isinstance(text, str) else text
    with _our_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _sibling(path)
        try:
            # Not tempfile: it makes files that only their owner can read, whatever the umask says.
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
    """A temporary file beside `path` that takes its name when the block ends well, and vanishes when it does not.

    For what is too long to be held as a whole, as `write_atomically` wants it.

    Yields:
        A name to write to, on the same disk; the file is not there yet.

    Raises:
        UserError: the place cannot be written to. What the block itself raises passes unchanged, but for what the
            operating system did not allow.
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
    """Make a folder, and its parents, where there is none.

    Raises:
        UserError: it cannot be made, or cannot be written to.
    """
    with _our_words(path):
        path.mkdir(parents=True, exist_ok=True)
        temporary = _sibling(path / "probe")
        temporary.touch()
        temporary.unlink()


@contextmanager
def atomic_folder(path: Path, marker: str | None = None) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name when the block ends well, and vanishes when it does not.

    Args:
        path: the folder's final name; a folder of that name is replaced as a whole, whatever it holds.
        marker: a file that a folder of ours always holds (`config.json`). With it, a folder that is not empty and lacks
            that file is refused, so that `--out ~/recordings` deletes nobody's recordings.

    Yields:
        An empty folder on the same disk to write into.

    Raises:
        UserError: the place cannot be written to, is a file, or is a folder that `marker` says is not ours. What the
            block itself raises passes unchanged.
    """
    # Through links, and never the bare `.`: the sibling has to lie on the disk where the final folder will.
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
    """Rename `temporary` to `path`; an older folder there steps aside first and comes back if that fails."""
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
    """A name beside `path` that nobody has, hidden, and short enough however long `path.name` is."""
    return path.parent / f".{path.name[:40]}.{uuid4().hex[:12]}.tmp"


@contextmanager
def _our_words(path: Path) -> Iterator[None]:
    """Tell the user in one line what the operating system did not allow."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
