"""YAML gives plain data only, within limits of depth and size, and every refusal is one line with the file's name."""

import os
import time

import pytest
import yaml

from emosllm.errors import UserError
from emosllm.safe_yaml import MOST_VALUES, parse_yaml, read_yaml

BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    + ["name: *a8"]
)
MERGE_BOMB = "\n".join(
    [f"a0: &a0 {{{', '.join(f'k{n}: {n}' for n in range(9))}}}"]
    + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 9)]
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-27", "2026-11-27"),
        ("2026-11-27 10:00:00", "2026-11-27 10:00:00"),
        ("08", "08"),
        ("09", "09"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("1:30.5", "1:30.5"),
        ("8", 8),
        ("0", 0),
        ("-3", -3),
        ("1_000", 1000),
        ("0x1F", 31),
        ("2.5", 2.5),
        (".5", 0.5),
        ("1.0e-4", 1e-4),
        ("5e-4", "5e-4"),  # as YAML 1.1 says; recipes convert it
        (".inf", float("inf")),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("", None),
        ("=", "="),
        ("'8'", "8"),
        ("!!str 8", "8"),
        ("[1, [a, {b: c}]]", [1, ["a", {"b": "c"}]]),
        ("{a: 1, a: 2}", {"a": 2}),
        ("{x: &x {a: 1, b: 1}, y: {<<: *x, b: 2}}", {"x": {"a": 1, "b": 1}, "y": {"a": 1, "b": 2}}),
        ("[&x [1, 2], *x]", [[1, 2], [1, 2]]),
    ],
)
def test_values(text, value):
    found = parse_yaml(text, "it is")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "value", ["08", "010", "2026-11-27", "1:30", "yes", "=", "8", 8, 0.5, 1e-05, None, True, ["a"]]
)
def test_what_is_written_is_read(value):
    assert parse_yaml(yaml.safe_dump(value), "it is") == value


@pytest.mark.parametrize(
    "tag", ["set", "omap", "pairs", "binary", "timestamp", "python/tuple", "python/name:os.system"]
)
def test_no_other_tag_constructs_anything(tag):
    with pytest.raises(UserError, match=r"^mine\.yaml is not YAML: line 2: could not determine a constructor for the"):
        parse_yaml(f"a: 1\nb: !!{tag} [2001-01-01]", "mine.yaml is")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, f"is refused: more than {MOST_VALUES} values with its aliases expanded"),
        (MERGE_BOMB, f"is refused: more than {MOST_VALUES} values with its aliases expanded"),
        ("- x\n" * (MOST_VALUES + 1), f"is refused: more than {MOST_VALUES} values"),
        ("x" * (100 * MOST_VALUES + 1), "is refused: 2000001 bytes, where at most 2000000 are read"),
        ("&a [*a]", r"is refused: the alias \*a stands inside its own anchor"),
        ("a:\n  " + "[" * 1_000_000, "is refused: line 2: nested more than 40 levels deep"),
        ("{a: " * 100_000, "is refused: line 1: nested more than 40 levels deep"),
        ("- " * 100_000, "is refused: line 1: nested more than 40 levels deep"),
        ("1" * 5000, "is not readable: a value does not fit .*digits"),
        ("!!int one", "is not readable: a value does not fit"),
        ("!!bool maybe", "is not readable: a value does not fit"),
        ("!!int ''", "is not readable: a value does not fit"),
        ("name: \ud800", "is not readable: a value does not fit"),
        ("name: \x00", "is not YAML: unacceptable character"),
        (b"name: \xff", "is not YAML: "),
        ("*missing", "is not YAML: line 1: found undefined alias"),
        ("? [a]\n: b", "is not YAML: line 1: found unhashable key"),
        ("a\n---\nb", "is not YAML: line 2: "),
        ("a: 1\nb: [", "is not YAML: line 2: "),
    ],
)
def test_refusals(content, message):
    begun = time.perf_counter()
    with pytest.raises(UserError, match=f"^mine.yaml {message}") as caught:
        parse_yaml(content, "mine.yaml is")
    assert time.perf_counter() - begun < 2
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_files(tmp_path):
    path = tmp_path / "mine.yaml"
    with pytest.raises(UserError, match="it is not a regular file"):
        read_yaml(path, "it is")
    os.mkfifo(path)  # reading it would wait for ever
    with pytest.raises(UserError, match="it is not a regular file"):
        read_yaml(path, "it is")
    path.unlink()
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(UserError, match="it is refused: 1099511627776 bytes"):
        read_yaml(path, "it is")
    path.unlink()
    path.write_text("a: 1")
    assert read_yaml(path, "it is") == {"a": 1}
