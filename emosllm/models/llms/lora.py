"""Low-rank adapters on the LLM's linear layers, by PEFT, put in place so that the LLM stays the class it was."""

from collections.abc import Iterable

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from emosllm.errors import UserError
from emosllm.recipe_parts import LoraPart


def add_lora(llm: PreTrainedModel, part: LoraPart) -> None:
    """Give the named linear layers an adapter W + (alpha / rank) B A with B = 0 (Hu et al. 2021, section 4.1).

    Raises:
        UserError: a target is no linear layer of this LLM.
    """
    linears = {name.rpartition(".")[2] for name, module in llm.get_decoder().named_modules() if _is_linear(module)}
    strangers = [target for target in part.targets if target not in linears]
    if strangers:
        raise UserError(
            f"lora.targets: {', '.join(strangers)} is no linear layer of {llm.config.model_type}; "
            f"it has {', '.join(sorted(linears))}"
        )
    _inject(llm, part, part.targets)


def add_mapper_lora(mapper: nn.Module, part: LoraPart) -> None:
    """The same for the linear layers of a mapper (AA-SLLM, section 3.2: "all linear layers in the LLM and Adapter")."""
    _inject(mapper, part, [name for name, module in mapper.named_modules() if _is_linear(module)])


def _inject(module: nn.Module, part: LoraPart, targets: Iterable[str]) -> None:
    config = LoraConfig(r=part.rank, lora_alpha=part.alpha, lora_dropout=part.dropout, target_modules=list(targets))
    inject_adapter_in_model(config, module)
    for name, parameter in module.named_parameters():
        if "lora_" in name:  # in the frozen weights' bfloat16 small updates would be lost
            parameter.data = parameter.data.float()
    for layer in lora_layers(module):
        layer.register_forward_pre_hook(_cast_once)


def _cast_once(layer: LoraLayer, inputs: tuple[Tensor, ...]) -> None:
    """Leave the input as it is where mixed precision casts it: PEFT's float32 would be cast back, and both copies kept.

    The products are the same to the bit; of a batch of eight with Llama-3.2-1B's layers it saves a tenth of the memory.
    """
    layer.cast_input_dtype_enabled = not torch.is_autocast_enabled(inputs[0].device.type)


def lora_layers(llm: nn.Module) -> list[LoraLayer]:
    """The adapted layers, in the LLM's order."""
    return [module for module in llm.modules() if isinstance(module, LoraLayer)]


def switch_lora(llm: nn.Module, on: bool) -> None:
    """Let the adapters count, or not: while B is still zero they would cost time and change nothing."""
    for layer in lora_layers(llm):
        layer.enable_adapters(on)


def merge_lora(llm: nn.Module) -> None:
    """Fold the adapters into the weights, W <- W + (alpha / rank) B A: same answers, no cost at inference."""
    for layer in lora_layers(llm):
        layer.merge(safe_merge=True)


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)
