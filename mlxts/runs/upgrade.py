"""Files of a run as earlier versions wrote them, made into what this one writes: the one table.

Whoever reads a run folder through `RunFolder` sees the names of today, and `"schema": 2`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import polars as pl

from mlxts.config import renamed_keys
from mlxts.files import SCHEMA

SCORES: Mapping[str, str] = MappingProxyType(
    {"impossible": "better_than_oracle", "log_loss_over_bayes": "excess_log_loss"}
)
THERMAL: Mapping[str, str] = MappingProxyType(
    {"suspect": "step_time_drift", "suspect_reason": "step_time_drift_reason"}
)
MODELS: Mapping[str, str] = MappingProxyType({"climatology": "base_rate_by_volatility"})


def metadata(written: dict[str, Any]) -> dict[str, Any]:
    """run.json. Raises ConfigError: a key of its configuration by both its names."""
    config = written.get("config")
    current_config = {"config": renamed_keys.current(config)} if isinstance(config, dict) else {}
    return {"schema": SCHEMA} | written | current_config


def summary(written: dict[str, Any]) -> dict[str, Any]:
    """summary.json."""
    current = {"scores": scored(written["scores"])} if "scores" in written else {}
    thermal = written.get("thermal")
    if isinstance(thermal, dict):
        current["thermal"] = {THERMAL.get(key, key): value for key, value in thermal.items()}
    return {"schema": SCHEMA} | written | current


def scored(value: Any) -> Any:
    """Models and their figures, at any depth, under the names of today."""
    if not isinstance(value, dict):
        return value
    names = {**SCORES, **MODELS}
    return {names.get(key, key): scored(below) for key, below in value.items()}


def predictions(written: pl.DataFrame) -> pl.DataFrame:
    """predictions.parquet."""
    if "model" not in written.columns:
        return written
    return written.with_columns(pl.col("model").replace(dict(MODELS)))
