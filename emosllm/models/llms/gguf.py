"""Load an LLM from a GGUF file, the format of llama.cpp: config, tokenizer and weights, read by transformers.

The weights are dequantised to a plain model, because adapters are trained on it. transformers prefers other files of
the same folder to the GGUF file's own tokenizer, so the file is read through a temporary folder that holds only it.
Source of the format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from struct import error as StructError
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.initialization import no_init_weights

from emosllm.errors import UserError
from emosllm.models.checkpoints.locations import is_hub_name, locate
from emosllm.models.checkpoints.module_weights import load_all_weights

_READ: dict[tuple[Path, int], PreTrainedConfig] = {}  # by the file and the time of its last change


def load_gguf_config(reference: str, file: str) -> PreTrainedConfig:
    """The config of an LLM in a GGUF file, from its header alone.

    Raises:
        UserError: the file is not available, or is not a GGUF file.
    """
    with _isolated_folder(reference, file) as place:
        return _config(place, file)


def load_gguf_tokenizer(reference: str, file: str) -> PreTrainedTokenizerBase:
    """The tokenizer in a GGUF file, with its chat template.

    Raises:
        UserError: the file is not available, or is not a GGUF file.
    """
    with _isolated_folder(reference, file) as place:
        return AutoTokenizer.from_pretrained(place, gguf_file=file, trust_remote_code=False)


def load_gguf_llm(reference: str, file: str, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """The LLM in a GGUF file, dequantised, as a plain model of its class in transformers.

    Raises:
        UserError: the file is not available, or is not a GGUF file.
    """
    with _isolated_folder(reference, file) as place:
        config = _config(place, file)
        whole: dict[str, Any] = {"gguf_file": file, "quantization_config": GgufConfig(dequantize=True)}
        stored = AutoModelForCausalLM.from_pretrained(
            place, config=config, dtype=dtype, trust_remote_code=False, **whole
        )
    config = stored.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with no_init_weights():  # a new model, because the loaded one keeps the attributes of a quantised model
        plain = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
    load_all_weights(plain, stored.state_dict())
    plain.generation_config = stored.generation_config
    return plain.eval()


def _config(folder: str, file: str) -> PreTrainedConfig:
    """The config of a GGUF file, cached: the header takes seconds to read, and a training needs it several times."""
    path = (Path(folder) / file).resolve()
    key = (path, path.stat().st_mtime_ns)
    if key not in _READ:
        _READ[key] = AutoConfig.from_pretrained(folder, gguf_file=file, trust_remote_code=False)
    return deepcopy(_READ[key])


@contextmanager
def _isolated_folder(reference: str, file: str) -> Iterator[str]:
    """A temporary folder that holds only the GGUF file; an error inside becomes a `UserError` of one line."""
    place = _find(reference, file)
    if find_spec("gguf") is None:
        raise UserError(f"{reference}: reading {file} needs the package gguf; pip install 'emosllm[gguf]'")
    with TemporaryDirectory() as folder:
        (Path(folder) / file).parent.mkdir(parents=True, exist_ok=True)
        (Path(folder) / file).symlink_to(place.resolve())
        try:
            yield folder
        except (OSError, ValueError, KeyError, IndexError, NotImplementedError, RuntimeError, StructError) as error:
            reason = shorten(str(error).replace(f"{folder}/", ""), 160, placeholder=" …")
            raise UserError(f"{place}: no LLM can be read from it ({reason}); give an LLM's GGUF file") from None


def _find(reference: str, file: str) -> Path:
    """Path of the file in the model's folder or the hub's cache; downloaded where neither has it."""
    folder = Path(locate(reference, file))
    if folder.is_dir():
        if not (folder / file).is_file():
            there = ", ".join(sorted(path.name for path in folder.glob("*.gguf"))) or "none"
            raise UserError(f"llm.file {file}: not in {folder}; GGUF files there: {there}")
        return folder / file
    try:
        return Path(hf_hub_download(reference, file))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError):
        fetch = f", or fetch it once with `hf download {reference} {file}`" if is_hub_name(reference) else ""
        raise UserError(f"{reference}: the file {file} is not available; give a folder that has it{fetch}") from None
