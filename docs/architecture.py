"""Generate the list of files and the graph of packages in docs/architecture.md from the code.

Run it from the repository's folder: `make architecture`. A test compares the page with what this script gives.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
FOLDERS = ("emosllm", "nano", "demo", "bench", "papers")
PACKAGE = "emosllm"


def modules() -> list[Path]:
    """Every Python file of the repository's packages."""
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def summary(path: Path) -> str:
    """The first paragraph of a module's docstring on one line, without its full stop."""
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert doc, f"{path} has no docstring"
    return " ".join(doc.split("\n\n")[0].split()).rstrip(".")


def file_table() -> str:
    """A row a module: its path, and the first line of its docstring."""
    lines = ["| file | content |", "|---|---|"]
    for path in modules():
        if path.name not in ("__init__.py", "__main__.py"):
            lines.append(f"| `{path.relative_to(ROOT).as_posix()}` | {summary(path)} |")
    return "\n".join(lines) + "\n"


def package_imports() -> dict[str, set[str]]:
    """Which packages of `emosllm` each of them imports, inside functions too."""
    packages = {path.parent.name for path in (ROOT / PACKAGE).glob("*/__init__.py")}
    found: dict[str, set[str]] = {package: set() for package in packages}
    for package in packages:
        for path in (ROOT / PACKAGE / package).rglob("*.py"):
            found[package] |= {name for name in _imported(path) if name in packages and name != package}
    return found


def without_implied(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The same graph without the arrows that a longer way also gives; `graph` has no circle."""
    reached: dict[str, set[str]] = {}

    def reach(node: str) -> set[str]:
        if node not in reached:
            reached[node] = graph[node].union(*(reach(target) for target in graph[node]))
        return reached[node]

    return {node: targets - set().union(*(reach(target) for target in targets)) for node, targets in graph.items()}


def package_graph() -> str:
    """The packages and their imports as a Mermaid graph; packages that no arrow touches are left out."""
    arrows = without_implied(package_imports())
    lines = [f"    {source} --> {target}" for source in sorted(arrows) for target in sorted(arrows[source])]
    return "\n".join(["```mermaid", "graph TD", *lines, "```"]) + "\n"


def fill(page: str) -> str:
    """A page with the text between its markers `<!-- NAME -->` and `<!-- /NAME -->` generated anew."""
    for name, text in (("packages", package_graph()), ("files", file_table())):
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, rest = page.split(start)
        page = before + start + text + end + rest.split(end)[1]
    return page


def _imported(path: Path) -> Iterator[str]:
    """The packages of `emosllm` that a file names in its import statements."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if match := re.match(rf"{PACKAGE}\.(\w+)", name):
                yield match[1]


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
