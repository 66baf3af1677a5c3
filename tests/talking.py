"""A system that shows its transcripts: nano's weights with a recipe that says so."""

import json
import shutil
from pathlib import Path

from emosllm.models.checkpoints.locations import builtins


def talking_folder(folder: Path) -> Path:
    """A checkpoint that answers after its own transcript.

    Args:
        folder: where to make it; its name is the system's.
    """
    shutil.copytree(builtins()["nano"], folder)
    (folder / "calibration.json").unlink()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["recipe"]["inference"] |= {"strategy": "transcript-first", "transcribes": True, "max_new_tokens": 16}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
