"""Does anything predict tomorrow's direction of real prices, where nothing should?

The negative control on real bars: the baselines that stand beside every network, at ten forecast
origins, each fitted on all days before the two years that a network would stop early on. Against
the training base rate the direction of the next day must not be predicted; the touch of 1 % on the
same days, by the same models, shows that the control could have found something.
"""

import numpy as np
import polars as pl

from benchmarks.harness import Benchmark, Row, Skip, main
from mlxts.baselines.base_rate import BaseRate
from mlxts.config.loading import build_config
from mlxts.dataset.build import build_dataset
from mlxts.errors import DataError
from mlxts.evaluation import comparison
from mlxts.evaluation.block_bootstrap import DRAWS, BlockBootstrap
from mlxts.evaluation.reference import fit_baselines
from mlxts.losses import log_losses
from mlxts.protocol import SCORED_ON

TASKS = ("direction", "threshold_1pct")
MODELS = ("har", "lhar", "linear", "trees")
ORIGINS = 10
QUICK_ORIGINS = 2


def measure(quick: bool) -> list[Row]:
    """A row for each task and model, over the days of all origins."""
    origins = range(1, (QUICK_ORIGINS if quick else ORIGINS) + 1)
    try:
        return [
            row
            for task in TASKS
            for row in _rows(task, pl.concat(losses(task, origin) for origin in origins))
        ]
    except DataError as error:
        raise Skip(f"no real bars of {SCORED_ON} in this workspace: {error}") from error


def losses(task: str, origin: int) -> pl.DataFrame:
    """Of each model on each day of a scored window: date, model, loss, minus (the base rate's)."""
    data = {"symbols": [SCORED_ON], "walk_forward_window": origin}
    values = {"name": "control", "mode": "exploratory", "task": task, "data": data}
    dataset = build_dataset(build_config(values), register=False)
    window = dataset.samples["test"]
    constant = log_losses(BaseRate().fit(dataset)(window), window.targets.astype(np.float64))
    beside = pl.DataFrame({"date": window.dates, "constant": constant})
    tables = fit_baselines(dataset, ("train", "test"), MODELS).tables
    parts = []
    for name, table in tables.items():
        rows = table.filter(split="test").join(beside, on="date", maintain_order="left")
        loss = log_losses(rows["logit"].to_numpy(), rows["target"].to_numpy())
        parts.append(
            rows.select("date", model=pl.lit(name), loss=loss, minus=loss - rows["constant"])
        )
    return pl.concat(parts)


def _rows(task: str, scored: pl.DataFrame) -> list[Row]:
    rows: list[Row] = []
    for name in MODELS:
        own = scored.filter(model=name).sort("date")
        bootstrap = BlockBootstrap(own["date"].to_numpy(), horizon=1)
        weights = bootstrap.weights(DRAWS)
        means = own["minus"].to_numpy() @ weights / weights.sum(axis=0)
        low, high = bootstrap.interval(means)
        rows.append(
            {
                "task": task,
                "model": name,
                "days": own.height,
                "loss": float(own["loss"].to_numpy().mean()),
                "minus": float(means[0]),
                "low": low,
                "high": high,
                "verdict": comparison.word(low, high),
            }
        )
    return rows


BENCHMARK = Benchmark(
    name="direction_control",
    question="Does any model predict the next day's direction of SPY?",
    measure=measure,
    columns={
        "task": "task",
        "model": "model",
        "days": "days|,",
        "loss": "log loss, nats|.4f",
        "minus": "minus the base rate's|+.4f",
        "low": "95 % from|+.4f",
        "high": "to|+.4f",
        "verdict": "against the base rate",
    },
    notes=(
        "Real bars of SPY, ten walk-forward windows of two years, H = 1, tier 20. Aimed at: "
        "nothing beats the base rate at `direction`; at `threshold_1pct` everything does.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
