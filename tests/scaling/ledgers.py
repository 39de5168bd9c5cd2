"""Rows of a ledger with planted losses: no run folder, no market."""

import zlib
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from mlxts.protocol import BUDGETS
from mlxts.scaling import ledger

FIRST = date(2005, 1, 3)
_USUAL: dict[str, Any] = {
    "started": "2026", "name": "planted", "mode": "exploratory", "task": "threshold_1pct",
    "timescale": "daily", "horizon": 1, "data": "Aa", "assets": 1, "exogenous": "",
    "artifacts": "files", "bars": "file", "data_generator": ledger.REAL, "symbol": "SPY",
    "config_hash": "recipe", "non_default_settings": "", "seed": 0, "budget": "2M", "features": 20,
    "tier": 20,
    "samples": 4000, "fraction": 1.0, "history": ledger.LATEST, "tokens": 1, "epochs": 1.0,
    "flops": 1e9, "step_time_drift": False, "seconds": 1.0, "split": "walk-forward",
    "canonical": True, "reference": "linear",
}  # fmt: skip


def rows(
    losses: np.ndarray, *, first: int = 0, reference: np.ndarray | float = 0.45, **changes: Any
) -> pl.DataFrame:
    """The rows of one run on one asset: `losses` from day `first` on.

    Args:
        reference: losses of linear on the same days.
        changes: columns that are not as usual.
    """
    values = _USUAL | changes
    values.setdefault("n_total", BUDGETS[values["budget"]].parameters)
    values |= {"n_body": values["n_total"], "n_head": 0}
    # One run a recipe, size and seed, whatever asset or origin its rows are of.
    same = [values[key] for key in ("budget", "seed", "features", "fraction", "data", "task")]
    values.setdefault("run", "-".join(map(str, same)))
    days = [FIRST + timedelta(days=first + day) for day in range(len(losses))]
    rng = np.random.default_rng(zlib.crc32(values["symbol"].encode()))
    own = pl.DataFrame(
        {
            "date": days,
            "loss": losses,
            "loss_linear": np.broadcast_to(reference, losses.shape),
            "target": (rng.random(first + len(losses))[first:] < 0.3).astype(float),
        }
    ).with_columns(
        loss_reference="loss_linear",
        loss_har=pl.col("loss_linear") + 0.01,
        loss_prior=pl.col("loss_linear") + 0.09,
        **{name: pl.lit(value) for name, value in values.items()},
    )
    absent = [name for name in ledger.SCHEMA if name not in own.columns]
    own = own.with_columns(pl.lit(None).alias(name) for name in absent)
    return own.select(pl.col(name).cast(dtype) for name, dtype in ledger.SCHEMA.items())
