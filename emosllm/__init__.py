"""emosllm: speech emotion recognition with large language models.

`import emosllm` does not import torch. The first use of `emosllm.load` does.
"""

from typing import TYPE_CHECKING, Any

from emosllm.utterance import Prediction, Utterance

if TYPE_CHECKING:
    from emosllm.inference.loader import load

__all__ = ["Prediction", "Utterance", "load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "load":
        from emosllm.inference.loader import load

        return load
    raise AttributeError(f"module 'emosllm' has no attribute {name!r}")
