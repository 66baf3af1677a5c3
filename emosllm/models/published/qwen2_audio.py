"""The layout of Qwen2-Audio in transformers: audio tower, one linear projector, Qwen2.

The published files use the names of transformers 4 for the LLM's weights. The names of transformers 5 are read too.
"""

from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import Qwen2AudioConfig

from emosllm.errors import UserError
from emosllm.models.published.layout import Layout, Part, Place
from emosllm.models.published.tensors import Rule, read_config, read_tensors, renamed

_RULES: tuple[Rule, ...] = (
    (r"(?:model\.)?audio_tower\.(.+)", "encoder", r"\1"),
    (r"(?:model\.)?multi_modal_projector\.linear\.(weight|bias)", "mapper", r"output.\1"),
    (r"language_model\.((?:model|lm_head)\..+)", "llm", r"\1"),
    (r"model\.language_model\.(.+)", "llm", r"model.\1"),
    (r"(lm_head\.weight)", "llm", r"\1"),
)


def _matches(folder: Path) -> bool:
    return read_config(folder).get("model_type") == "qwen2_audio"


def _configs(folder: Path) -> Mapping[Part, dict[str, Any]]:
    try:
        config = Qwen2AudioConfig(**read_config(folder))
    except (StrictDataclassError, TypeError, ValueError, KeyError) as error:
        reason = shorten(str(error), 160, placeholder=" …")
        raise UserError(f"{folder}: config.json is not Qwen2-Audio's ({reason}); fetch the checkpoint again") from None
    encoder, llm = config.audio_config.to_dict(), config.text_config.to_dict()
    return {
        "encoder": encoder,
        "mapper": {"frame_width": encoder["d_model"], "llm_width": llm["hidden_size"]},
        "llm": llm,
    }


def _place(key: str) -> list[Place] | None:
    return renamed(key, _RULES)


LAYOUT = Layout("Qwen2-Audio", _matches, _configs, read_tensors, _place)
