"""No module calls a function that can run what a file holds; SECURITY.md states the rule."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import architecture

ROOT = Path(__file__).parents[1]
PICKLES = {"pickle", "_pickle", "dill", "cloudpickle", "jsonpickle", "marshal", "shelve", "joblib"}
# Our own classes, whose `from_pretrained` passes the option on.
OWN = {"SpeechProcessor.from_pretrained(place)", "kind.from_pretrained(folder)"}
# The one YAML loader; modules that only write YAML; the one scripted file, which an installed package brings.
YAML, DUMPS = "emosllm/safe_yaml.py", {"emosllm/recipe.py", "emosllm/reporting/sections/provenance.py"}
SCRIPTED = "emosllm/timeline/silero_vad.py"


def forbidden(code: str, path: str = "") -> Iterator[str]:
    """The statements and calls of a module that could run what a file holds."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (f"line {node.lineno}: {name}" for name in _imports(node, path))
        elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith("yaml.") and path != YAML:
            if (path, node.attr) not in {(name, "safe_dump") for name in DUMPS}:
                yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Call) and _dangerous(node, path):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def _imports(node: ast.Import | ast.ImportFrom, path: str) -> Iterator[str]:
    names = [alias.name for alias in node.names]
    modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
    for module in modules:
        if module.split(".")[0] in PICKLES and names != ["UnpicklingError"]:
            yield f"import of {module}"
        if module.split(".")[0] in {"yaml", "ruamel", "oyaml"} and path not in {YAML, *DUMPS}:
            yield f"import of {module}"


def _dangerous(call: ast.Call, path: str) -> bool:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    options = {option.arg: ast.unparse(option.value) for option in call.keywords}
    if name in {"eval", "exec", "compile", "__import__"} or last in {"system", "popen", "read_pickle", "spawn"}:
        return True
    if name.startswith("subprocess.") or last == "Popen":
        return options.get("shell", "False") != "False"
    if name == "torch.load":
        return options.get("weights_only") != "True"
    if name == "torch.jit.load":
        return path != SCRIPTED
    if name in {"np.load", "numpy.load"} or "allow_pickle" in options:
        return options.get("allow_pickle") != "False"
    if name.endswith(("hub.load", "audb.load", "Database.load")):
        return True
    if last in {"from_pretrained", "from_config", "pipeline"} and ast.unparse(call) not in OWN:
        return options.get("trust_remote_code") != "False"
    return False


@pytest.mark.parametrize("path", architecture.modules(), ids=str)
def test_no_module_calls_what_could_run_a_file(path):
    assert list(forbidden(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())) == []


@pytest.mark.parametrize(
    "code",
    [
        "import yaml",
        "from yaml import safe_load",
        "tree = yaml.safe_load(text)",
        "tree = yaml.load(text, Loader=yaml.SafeLoader)",
        "import pickle",
        "from pickle import loads",
        "import joblib.memory",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.jit.load(path)",
        "torch.hub.load(name, 'x')",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.savez(path, allow_pickle=True)",
        "pandas.read_pickle(path)",
        "audformat.Database.load(root)",
        "AutoModel.from_pretrained(name)",
        "kind.from_pretrained(place, trust_remote_code=trusted)",
        "AutoModel.from_config(config, trust_remote_code=True)",
        "pipeline('automatic-speech-recognition', model=name)",
        "eval(text)",
        "exec(text)",
        "os.system(command)",
        "subprocess.run(command, shell=True)",
    ],
)
def test_the_search_finds_each_forbidden_call(code):
    assert len(list(forbidden(code))) >= 1
