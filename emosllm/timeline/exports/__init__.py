"""Write a timeline to a file. The ending of its name chooses the format; a failed write leaves no partial file."""

from collections.abc import Callable, Mapping
from pathlib import Path

from emosllm.errors import UserError
from emosllm.extras import extra
from emosllm.files import make_folder, write_atomically
from emosllm.timeline.exports import annotations, lines, tables
from emosllm.timeline.segments import Timeline

#: Ending, in lower case -> writer.
EXPORTS: Mapping[str, Callable[[Timeline], str | bytes]] = {
    ".json": tables.as_json,
    ".csv": tables.as_csv,
    ".parquet": tables.parquet,
    ".textgrid": annotations.textgrid,
    ".eaf": annotations.eaf,
    ".txt": lines.audacity,
    ".srt": lines.srt,
    ".vtt": lines.vtt,
    ".rttm": lines.rttm,
}
# Endings that do not name their program, or that the program writes in capitals.
_PROGRAMS = {".textgrid": ".TextGrid (Praat)", ".eaf": ".eaf (ELAN)", ".txt": ".txt (Audacity labels)"}


def check_export(path: Path) -> None:
    """Refuse, before anything is computed, a path that could not be written later.

    Raises:
        UserError: an ending without a writer, pyarrow is not installed, or the folder cannot be written to.
    """
    if path.suffix.lower() not in EXPORTS:
        *others, last = (_PROGRAMS.get(ending, ending) for ending in EXPORTS)
        raise UserError(f"cannot write {path}: timelines end in {', '.join(others)} or {last}")
    if path.is_dir():
        raise UserError(f"cannot write {path}: a folder has that name; give another one")
    if path.suffix.lower() == ".parquet":
        with extra("timeline", "writing Parquet"):
            import pyarrow.parquet  # noqa: F401
    make_folder(path.parent)


def export(timeline: Timeline, path: Path) -> None:
    """Write a timeline into a file of the format that its ending names.

    Raises:
        UserError: an ending without a writer, pyarrow is not installed, or the file cannot be written.
    """
    check_export(path)
    write_atomically(path, EXPORTS[path.suffix.lower()](timeline))
