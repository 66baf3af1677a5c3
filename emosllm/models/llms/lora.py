"""LoRA adapters of PEFT on linear layers of an LLM or mapper, added in place: the model keeps its class."""

from collections.abc import Iterable

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from emosllm.errors import UserError
from emosllm.recipe_parts import LoraPart


def add_lora(llm: PreTrainedModel, part: LoraPart) -> None:
    """Add adapters W + (alpha / rank) B A, with B = 0, to the named linear layers (Hu et al. 2021, section 4.1).

    Raises:
        UserError: a target is not a linear layer of this LLM.
    """
    linears = {name.rpartition(".")[2] for name, module in llm.get_decoder().named_modules() if _is_linear(module)}
    unknown = [target for target in part.targets if target not in linears]
    if unknown:
        raise UserError(
            f"lora.targets: {', '.join(unknown)} is not a linear layer of {llm.config.model_type}; "
            f"it has {', '.join(sorted(linears))}"
        )
    _inject(llm, part, part.targets)


def add_mapper_lora(mapper: nn.Module, part: LoraPart) -> None:
    """Add adapters to a mapper's linear layers (AA-SLLM, section 3.2: "all linear layers in the LLM and Adapter")."""
    _inject(mapper, part, [name for name, module in mapper.named_modules() if _is_linear(module)])


def _inject(module: nn.Module, part: LoraPart, targets: Iterable[str]) -> None:
    config = LoraConfig(r=part.rank, lora_alpha=part.alpha, lora_dropout=part.dropout, target_modules=list(targets))
    inject_adapter_in_model(config, module)
    for name, parameter in module.named_parameters():
        if "lora_" in name:  # in bfloat16, the precision of the frozen weights, small updates would be lost
            parameter.data = parameter.data.float()
    for layer in lora_layers(module):
        layer.register_forward_pre_hook(_cast_once)


def _cast_once(layer: LoraLayer, inputs: tuple[Tensor, ...]) -> None:
    """Turn off PEFT's cast to float32 under mixed precision, which would cast the input back and keep both copies.

    The products are bit-identical. A batch of eight with the layers of Llama-3.2-1B takes a tenth less memory.
    """
    layer.cast_input_dtype_enabled = not torch.is_autocast_enabled(inputs[0].device.type)


def lora_layers(llm: nn.Module) -> list[LoraLayer]:
    """The adapted layers, in the LLM's order."""
    return [module for module in llm.modules() if isinstance(module, LoraLayer)]


def switch_lora(llm: nn.Module, on: bool) -> None:
    """Enable or disable the adapters. While B is zero they change nothing, so disabling them saves time."""
    for layer in lora_layers(llm):
        layer.enable_adapters(on)


def merge_lora(llm: nn.Module) -> None:
    """Add the adapters to the weights, W <- W + (alpha / rank) B A: same answers, no cost at inference."""
    for layer in lora_layers(llm):
        layer.merge(safe_merge=True)


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)
