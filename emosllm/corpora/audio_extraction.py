"""Extract the audio of video clips with ffmpeg as mono FLAC at 16 kHz.

Clips are extracted in parallel. A file gets its final name only when it is complete, and existing files are skipped, so
an interrupted run can be continued. ffmpeg mixes the channels down by the layout that the clip states (5.1 as 5.1).
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.progress import track

from emosllm.errors import UserError
from emosllm.files import make_folder


def extract_audio(clips: Iterable[tuple[Path, Path]], jobs: int | None = None) -> dict[Path, str]:
    """Extract the audio of the clips whose FLAC file does not exist yet.

    Args:
        clips: pairs of a video and the FLAC file for its audio.
        jobs: number of parallel ffmpeg processes; by default one per processor.

    Returns:
        Video -> ffmpeg's error in one line, for each video that ffmpeg cannot read; it has no FLAC file. The errors are
        also printed.

    Raises:
        UserError: ffmpeg is not installed, or the folder cannot be written to.
    """
    waiting = [(video, sound) for video, sound in clips if not sound.is_file()]
    if not waiting:
        return {}
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise UserError(
            f"there is no ffmpeg to extract the audio of {len(waiting)} clips, such as {waiting[0][0]}: install it "
            "(apt install ffmpeg, brew install ffmpeg), or extract them to wav files of the same name beside the clips"
        )
    for folder in sorted({sound.parent for _, sound in waiting}):
        make_folder(folder)
    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        results = pool.map(lambda pair: _extract(ffmpeg, *pair), waiting)
        console = Console(stderr=True)
        lines = list(track(results, "audio of clips", len(waiting), console=console, disable=not console.is_terminal))
    failed = {video: line for (video, _), line in zip(waiting, lines, strict=True) if line}
    for video, line in failed.items():
        console.print(f"{video}: ffmpeg cannot read it: {line}", markup=False, highlight=False, soft_wrap=True)
    return failed


def _extract(ffmpeg: str, video: Path, sound: Path) -> str:
    """Extract one clip; return an empty string, or the error in one line."""
    temporary = sound.with_name(f".{sound.stem}.{uuid4().hex[:12]}.tmp")
    command = [ffmpeg, "-nostdin", "-v", "error", "-y", "-i", f"file:{video}", "-vn", "-ac", "1", "-ar", "16000"]
    try:
        done = subprocess.run(
            [*command, "-f", "flac", f"file:{temporary}"], capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode == 0 and temporary.is_file() and temporary.stat().st_size:
            temporary.replace(sound)
            return ""
        words = done.stderr.strip().splitlines()
        return words[-1] if words else f"ffmpeg ended with {done.returncode}"
    finally:
        temporary.unlink(missing_ok=True)
