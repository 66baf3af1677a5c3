"""Read YAML as plain data: the only YAML loader of the package.

A document gives dicts, lists, text, numbers, booleans and `None`. No tag constructs anything else. Dates, numbers with
a leading zero (`08`) and sexagesimal numbers (`1:30`) are text. Depth and size are limited. An alias counts as much as
the values that it stands for, so that a short file cannot become large. If a key occurs twice, the last one holds.
"""

import re
from pathlib import Path
from typing import Any, ClassVar

import yaml

from emosllm.errors import UserError

#: Values that a file may hold once its aliases are expanded. The largest recipe holds about two hundred.
MOST_VALUES = 20_000
_BYTES_A_VALUE = 100  # the limit on bytes, as a multiple of the limit on values
_DEPTH = 40  # the deepest file of the package has six levels
_TAG = "tag:yaml.org,2002:"
# The loader in C, where PyYAML has it: headers with the labels of thousands of speakers are long.
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _PlainLoader(_BASE):
    """A safe loader without the tags for sets, pairs, bytes and dates. `None` stands for all tags that it refuses."""

    yaml_constructors: ClassVar = {
        tag: _BASE.yaml_constructors[tag]
        for tag in (None, *(_TAG + kind for kind in ("null", "bool", "int", "float", "str", "seq", "map")))
    }
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", list("yYnNtTfFoO")),
    ("int", r"[-+]?(0|[1-9][0-9_]*|0b[01_]+|0x[0-9a-fA-F_]+)", list("-+0123456789")),
    (
        "float",
        r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|[-+]?\.[0-9][0-9_]*([eE][-+][0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    ("merge", "<<", ["<"]),
):
    _PlainLoader.add_implicit_resolver(_TAG + _kind, re.compile(f"^(?:{_pattern})$"), _first)


class YamlError(UserError):
    """A YAML document that is refused.

    Attributes:
        reason: why, without the document's name and the line.
    """

    def __init__(self, what: str, verdict: str, reason: str, line: int | None = None) -> None:
        place = "" if line is None else f"line {line}: "
        super().__init__(f"{what} {verdict}: {place}{reason}")
        self.reason = reason


def read_yaml(path: Path, what: str, most: int = MOST_VALUES) -> Any:
    """Read a YAML file.

    Args:
        path: a regular file; a device or a pipe is refused.
        what: the file in errors, with its verb, such as `recipe mine.yaml is`.
        most: values that it may hold.

    Raises:
        YamlError: the file cannot be read, or its content is refused as by `parse_yaml`.
    """
    try:
        if not path.is_file():
            raise YamlError(what, "not a regular file", "give a YAML file")
        _check_size(path.stat().st_size, what, most)
        content = path.read_bytes()
    except OSError as error:
        raise YamlError(what, "not readable", str(error.strerror)) from None
    return parse_yaml(content, what, most)


def parse_yaml(content: bytes | str, what: str, most: int = MOST_VALUES) -> Any:
    """Parse YAML.

    Args:
        content: the document.
        what: its name in errors, with its verb.
        most: values that it may hold.

    Raises:
        YamlError: it is not YAML, has a tag for something else than plain data, or is too deep or too large.
    """
    _check_size(len(content), what, most)
    try:
        _check_values(content, what, most)
        return yaml.load(content, Loader=_PlainLoader)
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        last = len(content.splitlines())  # the parser in C names the line after it if a bracket is not closed
        line = min(error.problem_mark.line + 1, last) if error.problem_mark else None
        reason = f"{_one_line(error.problem or error.context)}; correct it"
        raise YamlError(what, "not YAML", reason, line) from None
    except (ValueError, LookupError) as error:  # `!!int one`, a lone surrogate, thousands of digits
        raise YamlError(what, "not readable", f"a value does not fit ({_one_line(error)}); correct it") from None
    except yaml.YAMLError as error:
        raise YamlError(what, "not YAML", f"{_one_line(error)}; correct it") from None


def _check_size(size: int, what: str, most: int) -> None:
    if size > most * _BYTES_A_VALUE:
        raise YamlError(what, "refused", f"{size} bytes, where at most {most * _BYTES_A_VALUE} are read; shorten it")


def _check_values(content: bytes | str, what: str, most: int) -> None:
    """Refuse a document that is too deep or too large, before any of its values is made."""
    total, depth = 0, 0
    sizes: dict[str | None, int | None] = {}  # of what each anchor stands for; `None` until it ends
    open_anchors: list[tuple[str | None, int]] = []  # of each collection around: its anchor, the total before it
    events: Any = yaml.parse(content, Loader=_PlainLoader)
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            open_anchors.append((event.anchor, total))
            total, depth = total + 1, depth + 1
            if event.anchor:
                sizes[event.anchor] = None
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_anchors.pop()
            depth -= 1
            if anchor:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor, 1)  # an unknown anchor is an error of the parser's own
            if size is None:
                raise YamlError(what, "refused", f"the alias *{event.anchor} stands inside its own anchor; remove it")
            total += size
        if depth > _DEPTH:
            line = event.start_mark.line + 1
            raise YamlError(what, "refused", f"nested more than {_DEPTH} levels deep; flatten it", line)
        if total > most:
            raise YamlError(what, "refused", f"more than {most} values with its aliases expanded; shorten it")


def _one_line(error: object) -> str:
    line = " ".join(str(error).split())
    return line if len(line) <= 160 else f"{line[:160]} …"
