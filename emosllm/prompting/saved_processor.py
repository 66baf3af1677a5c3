"""A processor on disk: its settings, and the tokenizer and feature extractor that it has, as transformers saves them.

transformers' own base class wants both of the latter; a system that only reads, or that has no LLM, lacks one.
"""

import json
from pathlib import Path
from typing import Any, Self

from transformers import AutoFeatureExtractor, AutoTokenizer, FeatureExtractionMixin, PreTrainedTokenizerBase

from emosllm.files import write_atomically

SETTINGS = "processor_config.json"
PARTS = {"feature_extractor": AutoFeatureExtractor, "tokenizer": AutoTokenizer}


class SavedProcessor:
    """What `SpeechProcessor` needs to be saved and loaded.

    Attributes:
        feature_extractor: of the speech encoder, or `None`.
        tokenizer: of the LLM, or `None`.
        settings: a pydantic model.
    """

    feature_extractor: FeatureExtractionMixin | None
    tokenizer: PreTrainedTokenizerBase | None
    settings: Any

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write `processor_config.json` and the files of the parts into a folder; made where there is none."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        parts = [name for name in PARTS if getattr(self, name) is not None]
        for name in parts:
            getattr(self, name).save_pretrained(folder)
        content = {"processor_class": type(self).__name__, "parts": parts, **self.settings.model_dump(mode="json")}
        write_atomically(folder / SETTINGS, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def from_pretrained(cls, name: str | Path, **hub: Any) -> Self:
        """Read what `save_pretrained` wrote.

        Args:
            name: a folder, or a hub id whose files are in the cache or can be had.
            **hub: what transformers' own loaders take.

        Raises:
            OSError: a file is missing.
            ValueError: a file does not hold what it should.
        """
        place = Path(name)
        if not place.is_dir():
            from huggingface_hub import hf_hub_download

            options = {key: hub[key] for key in ("revision", "token", "cache_dir", "local_files_only") if key in hub}
            place = Path(hf_hub_download(str(name), SETTINGS, **options)).parent
        content = json.loads((place / SETTINGS).read_text(encoding="utf-8"))
        content.pop("processor_class")
        held = content.pop("parts")
        parts = [PARTS[part].from_pretrained(name, **hub) if part in held else None for part in PARTS]
        return cls(*parts, content)  # type: ignore[call-arg]
