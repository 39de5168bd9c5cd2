"""The one reader and the one writer of YAML: version 1.2's core schema, and nothing beyond it.

`yes`, `no`, `on`, `off` and dates are text, `010` is ten, `1:30` is text, and `1e-4` is a number.
What YAML leaves to the reader and is never meant is refused: a key that occurs twice or
is no text, tags, nesting without end, and aliases that grow a small file into a large one.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import yaml
from yaml.events import AliasEvent
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from mlxts.config import renamed_keys
from mlxts.errors import ConfigError

DEPTH = 50  # lists and mappings within each other
ALIASED = 10_000  # values that aliases may expand to, in all
DIGITS = 300  # of a whole number; more would not even fit a float

_TAG = "tag:yaml.org,2002:"


class YamlError(ValueError):
    """Text that is no YAML of this schema.

    Attributes:
        what: the problem.
        line: counted from 1; None where it is not known.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.message = message
        self.line = line


def _integer(text: str) -> int:
    if len(text) > DIGITS:
        raise YamlError(f"a number of {len(text)} digits is too long")
    return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))


def _float(text: str) -> float:
    word = text.lower().lstrip("+")
    return float(word.replace(".inf", "inf").replace(".nan", "nan"))


# YAML 1.2.2, section 10.3.2: what a plain scalar of each type looks like, and what it means.
_SCALARS: Mapping[str, tuple[re.Pattern[str], str, Callable[[str], Any]]] = MappingProxyType(
    {
        "null": (re.compile(r"(?:null|Null|NULL|~|)\Z"), "~nN\0", lambda text: None),
        "bool": (
            re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"),
            "tTfF",
            lambda text: text.lower() == "true",
        ),
        "int": (
            re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
            "-+0123456789",
            _integer,
        ),
        "float": (
            re.compile(
                r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
                r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
            ),
            "-+0123456789.",
            _float,
        ),
        "str": (re.compile(r"(?s:.*)\Z"), "", str),
    }
)
_PLAIN = tuple(kind for kind in _SCALARS if kind != "str")


class _Loader(yaml.SafeLoader):
    """SafeLoader with the resolvers and constructors of the core schema alone."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    yaml_constructors: dict[Any, Any] = {}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open = 0
        self._sizes: dict[int, int] = {}  # of each finished node, with all that is in it
        self._aliased = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        begins = self.peek_event()
        if self._open > DEPTH:
            raise _at(begins, f"nested deeper than {DEPTH} levels")
        self._open += 1
        node = super().compose_node(parent, index)
        self._open -= 1
        if isinstance(begins, AliasEvent):
            if id(node) not in self._sizes:
                raise _at(begins, f"*{begins.anchor} holds itself")
            self._aliased += self._sizes[id(node)]
            if self._aliased > ALIASED:
                raise _at(begins, f"aliases expand to more than {ALIASED:,} values")
        elif node is not None:
            self._sizes[id(node)] = 1 + sum(self._sizes[id(inner)] for inner in _within(node))
        return node


class _Dumper(yaml.SafeDumper):
    """SafeDumper that also quotes text which is a number in YAML 1.2 and was none before."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        key: list(resolvers) for key, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


def parse_yaml(text: str) -> Any:
    """A parsed document: mappings with text as keys, lists, text, numbers, bools and None.

    Raises:
        YamlError: it is no YAML of this schema.
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise _at(error, error.problem or error.context or "it cannot be read") from error
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from error
    except YamlError:
        raise
    except (ValueError, OverflowError) as error:  # "\UFFFFFFFF"
        raise YamlError("there is no character of such a number") from error


def dump_yaml(values: Any, *, width: int = 80) -> str:
    """YAML that `parse_yaml` reads back as the same values, keys in their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)


def overridden(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """A copy of a mapping in which dotted keys have other values; former names are read as those
    of today (`renamed_keys`). Raises ConfigError."""
    values = renamed_keys.current(values)
    for key, value in renamed_keys.current(overrides).items():
        _put(values, key, value)
    return values


def parse_override(text: str) -> tuple[str, Any]:
    """`model.depth=6` -> ("model.depth", 6). Raises ConfigError."""
    key, separator, value = (part.strip() for part in text.partition("="))
    if not separator or not all(part.strip() for part in key.split(".")):
        raise ConfigError(f"--set {text}: write it as key=value, e.g. --set training.max_epochs=3")
    try:
        return key, parse_yaml(value)
    except YamlError as error:
        raise ConfigError(f"--set {text}: the value is not YAML: {error.message}") from error


def parse_overrides(texts: Iterable[str] | None) -> dict[str, Any]:
    """The value of every `--set` by dotted key; warns of former names. Raises ConfigError."""
    read = dict(parse_override(text) for text in texts or ())
    return renamed_keys.current_with_notice(read, "--set")


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.get(parent)
        if inner is not None and not isinstance(inner, dict):
            raise ConfigError(f"--set {key}: {parent} is a value, not a section")
        values[parent] = dict(inner or {})
        values = values[parent]
    values[last] = value


def _within(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [inner for pair in node.value for inner in pair]
    return node.value if isinstance(node, CollectionNode) else []


def _at(place: Any, message: str) -> YamlError:
    mark = getattr(place, "problem_mark", None) or getattr(place, "start_mark", None)
    return YamlError(" ".join(message.split()), mark.line + 1 if mark else None)


def _construct_mapping(loader: _Loader, node: Node) -> dict[str, Any]:
    if not isinstance(node, MappingNode):
        raise _at(node, f"{node.tag} is no mapping")
    values: dict[str, Any] = {}
    for name, value in node.value:
        key = loader.construct_object(name, deep=True)
        if not isinstance(key, str):
            raise _at(name, f"a key is {_node_text(name)}, not text; quote it")
        if key in values:
            raise _at(name, f"the key {key} occurs twice; remove one")
        values[key] = loader.construct_object(value, deep=True)
    return values


def _construct_list(loader: _Loader, node: Node) -> list[Any]:
    if not isinstance(node, SequenceNode):
        raise _at(node, f"{node.tag} is no list")
    return [loader.construct_object(value, deep=True) for value in node.value]


def _construct_scalar(loader: _Loader, node: Node) -> Any:
    pattern, _, read = _SCALARS[node.tag.removeprefix(_TAG)]
    if not isinstance(node, ScalarNode) or not pattern.match(node.value):
        raise _at(node, f"{_node_text(node)} does not match its tag")
    try:
        return read(node.value)
    except ValueError as error:
        raise _at(node, str(error)) from error


def _refuse(loader: _Loader, node: Node) -> Any:
    raise _at(node, f"the tag {node.tag.replace(_TAG, '!!')} is not read here")


def _node_text(node: Node) -> str:
    if isinstance(node, ScalarNode):
        return node.value[:40] or "empty"
    return "a list or a mapping"


for _kind in _PLAIN:
    _pattern, _firsts, _ = _SCALARS[_kind]
    for _first in _firsts:
        _entry = (f"{_TAG}{_kind}", _pattern)
        _Loader.yaml_implicit_resolvers.setdefault(_first.strip("\0"), []).append(_entry)
        _Dumper.yaml_implicit_resolvers.setdefault(_first.strip("\0"), []).append(_entry)
for _kind in _SCALARS:
    _Loader.yaml_constructors[f"{_TAG}{_kind}"] = _construct_scalar
_Loader.yaml_constructors |= {
    f"{_TAG}map": _construct_mapping,
    f"{_TAG}seq": _construct_list,
    None: _refuse,
}
