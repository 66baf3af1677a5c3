"""A record of the trainings that an experiment starts."""

from pathlib import Path

import pytest

from emosllm.training.run import Run


def record_trainings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Record the folders of the trainings from now on."""
    folders, train = [], Run.train
    monkeypatch.setattr(Run, "train", lambda self, *a, **k: folders.append(self.folder) or train(self, *a, **k))
    return folders
