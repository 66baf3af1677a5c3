"""Load a system by name: a builtin, a run's folder, a checkpoint, or a recipe with published parts only (zero-shot)."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

import torch

from emosllm.errors import UserError
from emosllm.inference.recogniser import Recogniser
from emosllm.inference.stored_calibration import StoredCalibration, read_calibration
from emosllm.models.build import System, build_model, build_processor, load_model
from emosllm.models.checkpoints.locations import builtins
from emosllm.models.kernels.packed_linear import pack_linears
from emosllm.models.llms.lora import merge_lora
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.processor import SpeechProcessor
from emosllm.recipe import load_recipe, recipe_names
from emosllm.recipe_parts import Answer, Strategy


def load(
    name: str | Path,
    *,
    device: str | torch.device | None = None,
    strategy: Strategy | None = None,
    labels: Sequence[str] | None = None,
    answer: Answer | None = None,
    overrides: Sequence[str] = (),
    temperature: float | None = None,
) -> Recogniser:
    """Load a system: a builtin name (`nano`), a run's folder, a checkpoint's folder, a hub id, or a recipe.

    A recipe is loaded with its published weights, without training (zero-shot). All its parts must be published.

    Args:
        name: the system.
        device: `cpu`, `cuda`, ...; by default a GPU if there is one, else the CPU.
        strategy: how transcripts are used; by default the recipe's.
        labels: emotions to choose from; by default all of the system's.
        answer: `score` or `generate`; by default the recipe's.
        overrides: changes to a recipe, such as `labels=iemocap4`; not allowed for trained systems.
        temperature: divisor of the log-probabilities; by default the one that `emosllm calibrate` stored beside the
            weights, or 1.

    Raises:
        UserError: there is no such system or device, the checkpoint is broken, or a label was not trained.
    """
    chosen = _device(device)
    model, processor = load_parts(str(name), overrides)
    make_ready(model, chosen)
    narrowed = processor.labels.only(labels) if labels else None
    calibrated = stored_calibration(str(name)) if temperature is None else None
    given = temperature if calibrated is None else calibrated.temperature
    recogniser = Recogniser(model, processor, strategy, narrowed, answer, temperature=1.0 if given is None else given)
    recogniser.calibrated = calibrated
    return recogniser


def make_ready(model: System, device: torch.device | str = "cpu") -> None:
    """Prepare a system for inference only, in place: merge adapters, freeze all weights, pack them on a CPU."""
    merge_lora(model)
    model.eval().requires_grad_(False).to(device)
    if isinstance(model, SpeechLLM):
        pack_linears(model.llm.get_decoder())  # the output layer may also be the embedding
    if model.encoder is not None:
        pack_linears(model.encoder)


def stored_calibration(name: str) -> StoredCalibration | None:
    """What `emosllm calibrate` left beside a system's weights; `None` where it left nothing, or for a recipe.

    Raises:
        UserError: the file has invalid content.
    """
    place = checkpoint_folder(name)
    return None if _is_recipe(name, place) else read_calibration(place)


def load_parts(name: str, overrides: Sequence[str] = ()) -> tuple[System, SpeechProcessor]:
    """Load a system's saved model and processor; for the name of a recipe, load its published parts.

    Raises:
        UserError: there is no such system, the checkpoint is broken, or the recipe has parts that must be trained.
    """
    place = checkpoint_folder(name)
    if _is_recipe(name, place):
        return _as_published(name, overrides)
    if overrides:
        raise UserError(f"{name} is trained, so {overrides[0]!r} cannot change it any more; overrides are for recipes")
    model = load_model(place)
    try:
        return model, SpeechProcessor.from_pretrained(place)
    except UserError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        # transformers raises various errors with long messages.
        what = f"{type(error).__name__}: {error}".split("\n")[0]
        raise UserError(
            f"{place}: the processor cannot be read ({shorten(what, 120, placeholder=' …')}); its files are "
            "processor_config.json, preprocessor_config.json, tokenizer.json, tokenizer_config.json and "
            "chat_template.jinja: fetch or save them again"
        ) from None


def checkpoint_folder(name: str) -> str:
    """Resolve the name of a system: a run's `model/`, a builtin's folder, else the folder or hub id itself."""
    if (Path(name) / "model" / "config.json").is_file():
        return str(Path(name) / "model")
    if name in builtins() and not (Path(name) / "config.json").is_file():  # any folder may be called nano
        return str(builtins()[name])
    return name


def _is_recipe(name: str, place: str) -> bool:
    return place == name and not Path(name).is_dir() and (name in recipe_names() or name.endswith((".yaml", ".yml")))


def _as_published(name: str, overrides: Sequence[str]) -> tuple[System, SpeechProcessor]:
    recipe = load_recipe(name, overrides)
    if recipe.unpublished:
        raise UserError(
            f"recipe {recipe.name}: its {' and '.join(recipe.unpublished)} must be trained before it can answer; "
            f"`emosllm train {name} --data MANIFEST --out RUN`, then give RUN"
        )
    return build_model(recipe).eval(), build_processor(recipe)


def _device(name: str | torch.device | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        there = "cpu and cuda" if torch.cuda.is_available() else "cpu"
        raise UserError(f"device {str(name)!r} cannot be used here; this machine has {there}") from None
    return device
