"""Keys and values of the last release under their names of today: the one table of them.

Files of experiments and sweeps, `--set`, run folders and studies that hold a former name are read
as if they held the one of today; users are warned once, stored files are not.
"""

import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mlxts.errors import ConfigError, FormerNameWarning

KEYS: Mapping[str, str] = MappingProxyType(
    {
        "data.origin": "data.walk_forward_window",
        "data.label_shift_years": "data.rotate_labels_years",
        "data.pinned": "data.artifact_sha256",
        "model.offset": "model.residual_of",
        "tracking.to": "tracking.trackers",
    }
)
VALUES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"features.source": MappingProxyType({"planted": "simulated"})}
)


def current(values: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping under the names of today: sections of keys, or keys with dots, as `--set` has them.

    Raises:
        ConfigError: a key is given under both of its names.
    """
    return _renamed(values, KEYS, VALUES)[0]


def current_with_notice(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """As `current`, with one `FormerNameWarning` that names what is renamed; a sweep's base and
    axes included.

    Args:
        where: what holds the names: a file, or an option.
    """
    renamed, notes = _renamed(values, KEYS, VALUES)
    for part in ("base", "axes"):
        if isinstance(renamed.get(part), dict):
            renamed[part], more = _renamed(renamed[part], KEYS, VALUES)
            notes += more
    if notes:
        message = f"{where}: {', '.join(notes)}; the next release removes the former name"
        warnings.warn(message, FormerNameWarning, stacklevel=3)
    return renamed


def former(values: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration under the names of the last release, of which its runs hold the hash."""
    keys = {new: old for old, new in KEYS.items()}
    back = {key: {new: old for old, new in pairs.items()} for key, pairs in VALUES.items()}
    return _renamed(values, keys, back)[0]


def _renamed(
    values: Mapping[str, Any], keys: Mapping[str, str], words: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, Any], list[str]]:
    """With the new names, and a clause for each old one that was there."""
    result, notes = dict(values), []
    for old, new in keys.items():
        section, _, was = old.partition(".")
        for inner, was_key, new_key in (
            (result, old, new),
            (result.get(section), was, new.partition(".")[2]),
        ):
            if not isinstance(inner, dict) or was_key not in inner:
                continue
            if new_key in inner:
                raise ConfigError(f"{old} is the former name of {new}; give {new} alone")
            renamed = {new_key if key == was_key else key: inner[key] for key in inner}
            if inner is result:
                result = renamed
            else:
                result[section] = renamed
            notes.append(f"{old} is now {new}")
    for key, pairs in words.items():
        section, _, last = key.partition(".")
        if key in result:
            result[key], more = _reworded(key, result[key], pairs)
            notes += more
        inner = result.get(section)
        if isinstance(inner, dict) and last in inner:
            value, more = _reworded(key, inner[last], pairs)
            result[section] = {**inner, last: value}
            notes += more
    return result, notes


def _reworded(key: str, value: Any, pairs: Mapping[str, str]) -> tuple[Any, list[str]]:
    """A value, or a list of values of an axis."""
    if isinstance(value, list):
        reworded = [_reworded(key, item, pairs) for item in value]
        return [item for item, _ in reworded], [note for _, notes in reworded for note in notes]
    if isinstance(value, str) and value in pairs:
        return pairs[value], [f"{key}: {value} is now {pairs[value]}"]
    return value, []
