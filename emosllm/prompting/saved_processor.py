"""Save and load a processor: its settings, and its tokenizer and feature extractor in the format of transformers.

The base class in transformers requires both parts. A system that only reads text, or that has no LLM, lacks one.
"""

import json
from pathlib import Path
from typing import Any, Self

from transformers import AutoFeatureExtractor, AutoTokenizer, FeatureExtractionMixin, PreTrainedTokenizerBase

from emosllm.files import write_atomically
from emosllm.remote_code import refuse_code

SETTINGS = "processor_config.json"
PARTS = {"feature_extractor": AutoFeatureExtractor, "tokenizer": AutoTokenizer}


class SavedProcessor:
    """Base class of `SpeechProcessor` with the methods that save and load it.

    Attributes:
        feature_extractor: of the speech encoder, or `None`.
        tokenizer: of the LLM, or `None`.
        settings: a pydantic model.
    """

    feature_extractor: FeatureExtractionMixin | None
    tokenizer: PreTrainedTokenizerBase | None
    settings: Any

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write `processor_config.json` and the files of the parts to a folder, which is created if necessary."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        parts = [name for name in PARTS if getattr(self, name) is not None]
        for name in parts:
            getattr(self, name).save_pretrained(folder)
        content = {"processor_class": type(self).__name__, "parts": parts, **self.settings.model_dump(mode="json")}
        write_atomically(folder / SETTINGS, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def from_pretrained(cls, name: str | Path, **hub: Any) -> Self:
        """Load a processor that `save_pretrained` wrote.

        Args:
            name: a folder, or a hub id whose files are cached or can be downloaded.
            **hub: options of transformers' loaders.

        Raises:
            OSError: a file is missing.
            ValueError: a file has invalid content.
            UserError: a part needs Python code of its own.
        """
        place = Path(name)
        if not place.is_dir():
            from huggingface_hub import hf_hub_download

            options = {key: hub[key] for key in ("revision", "token", "cache_dir", "local_files_only") if key in hub}
            place = Path(hf_hub_download(str(name), SETTINGS, **options)).parent
        content = json.loads((place / SETTINGS).read_text(encoding="utf-8"))
        content.pop("processor_class")
        held = content.pop("parts")
        hub.pop("trust_remote_code", None)  # AutoProcessor passes it on, whatever its caller set
        try:
            parts = [
                kind.from_pretrained(name, trust_remote_code=False, **hub) if part in held else None
                for part, kind in PARTS.items()
            ]
        except ValueError as error:
            refuse_code(error, name)
            raise
        return cls(*parts, content)  # type: ignore[call-arg]
