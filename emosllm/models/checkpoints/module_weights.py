"""Load weights into a newly built model and mark them as loaded.

transformers initialises weights without that mark again when the module becomes part of a larger model.
"""

from collections.abc import Mapping

from torch import Tensor
from transformers import PreTrainedModel


def load_all_weights(model: PreTrainedModel, tensors: Mapping[str, Tensor]) -> None:
    """Load all weights of a model.

    Args:
        model: newly built; its dtype does not change.
        tensors: all weights by name; one of several tied weights is enough.

    Raises:
        RuntimeError: names or shapes differ.
    """
    tied = set(getattr(model, "all_tied_weights_keys", ()))
    found = model.load_state_dict(dict(tensors), strict=False)
    missing = [name for name in found.missing_keys if name not in tied]
    if missing or found.unexpected_keys:
        what = f"lacks {missing[0]}" if missing else f"has {found.unexpected_keys[0]}"
        raise RuntimeError(f"not the weights of its config: {what}")
    for parameter in model.parameters():
        parameter._is_hf_initialized = True
    for buffer in model.buffers():
        buffer._is_hf_initialized = True
    model.tie_weights()
