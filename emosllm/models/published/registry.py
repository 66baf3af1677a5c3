"""Find the layout of a published model by its name; there is none for models that transformers loads itself."""

from importlib import import_module
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from emosllm.models.published.layout import Layout

#: The modules beside this file that describe a layout.
NAMES = (
    "emotion2vec",
    "qwen_audio",
    "qwen2_audio",
)
LAYOUTS: tuple[Layout, ...] = tuple(import_module(f"emosllm.models.published.{name}").LAYOUT for name in NAMES)

_TELLING = ("*.json", "*.yaml", "*.txt", "*.tiktoken")  # small files by which a layout is recognised


def find_layout(reference: str) -> tuple[Path, Layout] | None:
    """The folder and the layout of a published model in its authors' own layout; `None` for other models.

    Args:
        reference: a folder, or a hub id, whose weights are downloaded only if a layout matches it.
    """
    folder = Path(reference)
    if folder.is_dir():
        return next(((folder, layout) for layout in LAYOUTS if layout.matches(folder)), None)
    try:
        folder = Path(snapshot_download(reference, allow_patterns=list(_TELLING)))
        found = next((layout for layout in LAYOUTS if layout.matches(folder)), None)
        return None if found is None else (Path(snapshot_download(reference)), found)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError):
        return None  # the caller then uses transformers, whose error is more specific
