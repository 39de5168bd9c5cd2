"""YAML as people write it, and keys of it that are overridden."""

import re
from typing import Any

import yaml

from mlxts.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads `1e-4` as a number: YAML 1.1 wants a dot there, people do not."""


_Loader.yaml_implicit_resolvers = {
    key: list(resolvers) for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*)(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def parse_yaml(text: str) -> Any:
    """YAML as people write it: safe tags only, and `1e-4` is a number."""
    return yaml.load(text, Loader=_Loader)


def overridden(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """A copy of a mapping in which dotted keys have other values. Raises ConfigError."""
    values = dict(values)
    for key, value in overrides.items():
        _put(values, key, value)
    return values


def parse_override(text: str) -> tuple[str, Any]:
    """`model.depth=6` -> ("model.depth", 6). Raises ConfigError."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {text}: write it as key=value, e.g. --set training.max_epochs=3")
    try:
        return key.strip(), parse_yaml(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not YAML") from error


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.get(parent)
        if inner is not None and not isinstance(inner, dict):
            raise ConfigError(f"--set {key}: {parent} is a value, not a section")
        values[parent] = dict(inner or {})
        values = values[parent]
    values[last] = value
