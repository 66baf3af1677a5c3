"""Find a model by the name in a recipe: a builtin, a local folder, the folder of models, or the hub.

The folder of models contains published models under their names, so that all recipes can use it without a network. The
environment variable `EMOSLLM_MODELS` contains its path.
"""

import os
from importlib.resources import files
from pathlib import Path

from emosllm.errors import UserError

BUILTIN = "builtin:"
MODELS = "EMOSLLM_MODELS"


def builtins() -> dict[str, Path]:
    """The models that come with the package: name -> folder."""
    root = Path(str(files("emosllm"))) / "builtin"
    return {path.name: path for path in sorted(root.glob("*")) if (path / "config.json").is_file()}


def models_folder() -> Path | None:
    """The folder of models in `EMOSLLM_MODELS`; `None` where the variable is not set.

    Raises:
        UserError: there is no such folder.
    """
    named = os.environ.get(MODELS)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise UserError(f"{MODELS}={named}: no such folder; give the folder of models, or unset {MODELS}")
    return folder


def locate(reference: str, file: str | None = None) -> str:
    """Find the folder of a model named in a recipe; without a folder, return the hub id itself.

    A folder with that path comes first, then the folder of models. There `openai/whisper-base` is looked up as
    `whisper-base`, then as `openai/whisper-base`, then as `openai--whisper-base`. A model with a GGUF file is also
    looked up under its name without `-GGUF`, the folder of the original weights.

    Args:
        reference: a hub id, a folder, or `builtin:NAME`.
        file: a GGUF file that the folder must contain; by default `config.json`.

    Raises:
        UserError: there is no such builtin, or the folder of models does not exist.
    """
    if not reference.startswith(BUILTIN):
        found = None if Path(reference).is_dir() else _in_models_folder(reference, file or "config.json")
        return reference if found is None else str(found)
    known = builtins()
    name = reference.removeprefix(BUILTIN)
    if name not in known:
        raise UserError(f"no builtin model {reference!r}; known are {', '.join(known) or 'none'}")
    return str(known[name])


def describe_place(reference: str, file: str | None = None) -> str:
    """Current location of a model in words: `builtin`, a folder, `hub cache`, or `not here`."""
    from huggingface_hub import try_to_load_from_cache  # imported here, so that `emosllm --help` starts fast
    from huggingface_hub.errors import HFValidationError

    place = locate(reference, file)
    if reference.startswith(BUILTIN):
        return "builtin"
    if Path(place).is_dir():
        return place
    try:
        cached = try_to_load_from_cache(reference, file or "config.json")
    except HFValidationError:
        cached = None
    return "hub cache" if isinstance(cached, str) else "not here"


def _in_models_folder(reference: str, wanted: str) -> Path | None:
    folder = models_folder()
    if folder is None or not is_hub_name(reference):
        return None
    last = reference.rpartition("/")[2].lower()
    names = (last, reference, reference.replace("/", "--"), last.removesuffix("-gguf"))
    return next((folder / name for name in names if (folder / name / wanted).is_file()), None)


def is_hub_name(reference: str) -> bool:
    """Whether a reference has the form NAME or OWNER/NAME; any other form is a folder."""
    return reference.count("/") < 2 and not reference.startswith((".", "/", "~"))
