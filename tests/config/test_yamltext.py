"""YAML 1.2's core schema, and what no configuration has a use for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxts.config import yamltext
from mlxts.config.yamltext import YamlError, parse_yaml


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "Y", "N", "Yes", "OFF"])
def test_words_are_words(word: str) -> None:
    assert parse_yaml(f"a: {word}") == {"a": word}
    assert parse_yaml(f"{word}: 1") == {word: 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-02", "2024-01-02"),
        ("1e-4", 1e-4),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("TRUE", True),
        ("~", None),
        ("", None),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("=", "="),
    ],
)
def test_a_scalar_means_what_version_1_2_says(text: str, value: object) -> None:
    read = parse_yaml(f"a: {text}")["a"]
    assert (read, type(read)) == (value, type(value))


def _bomb() -> str:
    rows = [f"b{n}: &b{n} [{','.join([f'*b{n - 1}'] * 9)}]" for n in range(1, 9)]
    return "\n".join(["b0: &b0 [x]", *rows])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key a occurs twice"),
        ("{a: {b: 1, b: 2}}", "line 1: the key b occurs twice"),
        ("1: x", "a key is 1, not text"),
        ("true: x", "a key is true, not text"),
        ("? \n: x", "a key is empty, not text"),
        ("? [a]\n: x", "not text"),
        ("a: " + "[" * 5000, "nested deeper than 50 levels"),
        ("\n".join(" " * n + "a:" for n in range(900)), "nested deeper than 50 levels"),
        (_bomb(), "aliases expand to more than 10,000 values"),
        ("a: &a [*a]", "*a holds itself"),
        ("a: *b", "undefined alias"),
        ("a: !!python/name:os.system", "the tag !!python/name:os.system is not read here"),
        ("a: !!int one", "one does not match its tag"),
        ("a: " + "9" * 5000, "a number of 5000 digits is too long"),
        ('a: "\\UFFFFFFFF"', "there is no character"),
        ("a: \udcff", "special characters are not allowed"),
        ("a: 1\n---\na: 2", "another document"),
        ("a: [", "line 1"),
    ],
)
def test_what_is_refused_is_one_line(text: str, says: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_alias_may_stand_for_what_was_written_once() -> None:
    assert parse_yaml("a: &x [1, {b: 2}]\nc: *x") == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=("Cs", "Cc")))
    | st.from_regex(r"[-+]?[0-9.:_xo]{1,6}([eE][-+]?[0-9]{1,4})?", fullmatch=True)
    | st.sampled_from(["yes", "off", "null", "~", "=", "<<", "2024-01-01", ".nan", "true"])
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("abny019.~"), inner)
)


@given(value=_VALUES)
def test_what_is_written_reads_back_unchanged(value: Any) -> None:
    assert _typed(parse_yaml(yamltext.dump_yaml(value))) == _typed(value)


def _typed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_typed(inner) for inner in value]
    return (type(value), value)
