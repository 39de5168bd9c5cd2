"""Files of a run as earlier versions wrote them, made into what this one writes: the one table.

Whoever reads a run folder through `RunFolder` sees the names of today, and `"schema": 2`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mlxts.config import renamed_keys
from mlxts.files import SCHEMA

SCORES: Mapping[str, str] = MappingProxyType(
    {"impossible": "better_than_oracle", "log_loss_over_bayes": "excess_log_loss"}
)


def metadata(written: dict[str, Any]) -> dict[str, Any]:
    """run.json. Raises ConfigError: a key of its configuration by both its names."""
    config = written.get("config")
    current_config = {"config": renamed_keys.current(config)} if isinstance(config, dict) else {}
    return {"schema": SCHEMA} | written | current_config


def summary(written: dict[str, Any]) -> dict[str, Any]:
    """summary.json."""
    scores = {"scores": scored(written["scores"])} if "scores" in written else {}
    return {"schema": SCHEMA} | written | scores


def scored(value: Any) -> Any:
    """Figures of models, at any depth, under the names of today."""
    if not isinstance(value, dict):
        return value
    return {SCORES.get(key, key): scored(below) for key, below in value.items()}
