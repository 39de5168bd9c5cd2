"""Recipes in words: the settings in which they differ, instead of their hashes."""

from collections.abc import Mapping, Sequence
from typing import Any

_MOST = 3  # settings that a title has room for


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted keys, `model.residual_of`."""
    values_by_key: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        values_by_key |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return values_by_key


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What is other than before, as `model.residual_of: har`; both by dotted keys."""
    return [f"{key}: {_text(value)}" for key, value in after.items() if before.get(key) != value]


def describe(changed: str, recipe: str, shared: frozenset[str] = frozenset()) -> str:
    """`model.residual_of: har`, or how many settings are changed where they are many; empty: none.

    Args:
        changed, recipe: as in the ledger.
        shared: changes to leave out.
    """
    own_changes = [part for part in _parts(changed) if part not in shared]
    if len(own_changes) > _MOST:
        return f"{len(own_changes)} settings changed, configuration {recipe}"
    return ", ".join(own_changes)


def shared(changed: Sequence[str]) -> frozenset[str]:
    """The changes that all recipes have in common."""
    return frozenset.intersection(*(frozenset(_parts(text)) for text in changed))


def _parts(changed: str) -> list[str]:
    return changed.split("; ") if changed else []


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
