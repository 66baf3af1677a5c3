"""Refuse models that need Python code from their own files or from the hub. No option allows it.

transformers is always called with `trust_remote_code=False`. This module turns its refusal into one line. It also
refuses attention kernels, which transformers fetches from the hub and imports where the package `kernels` is installed.
"""

from typing import Any

from emosllm.errors import UserError

_WAY_OUT = "such code is never run; give a model whose architecture transformers has"
_KERNELS = ("attn_implementation", "experts_implementation")


def refuse_code(error: Exception, name: object) -> None:
    """Raise a `UserError` if an error of transformers is its refusal to run the code of a model.

    Args:
        error: the error.
        name: the model, as the user named it.

    Raises:
        UserError: the model needs code.
    """
    if "trust_remote_code" in str(error):
        raise UserError(f"{name}: needs Python code of its own (auto_map in a config file); {_WAY_OUT}") from None


def refuse_kernels(config: Any, name: object) -> None:
    """Raise a `UserError` if a config names a kernel of the hub as its implementation of attention or of experts.

    Args:
        config: a `PreTrainedConfig`.
        name: the model, as the user named it.

    Raises:
        UserError: the config names one.
    """
    for key in _KERNELS:
        kernel = getattr(config, f"_{key}", None)
        if "/" in str(kernel):
            raise UserError(f"{name}: {key} is {kernel!r}, which is code of the hub; {_WAY_OUT}")
    for part in config.sub_configs:
        if getattr(config, part, None) is not None:
            refuse_kernels(getattr(config, part), name)
