"""Configurations as they scored: one entry for each, its seeds taken together.

The figures are those of the evaluator: the same losses, and with one seed the same bootstrap draws
and intervals. With several seeds a draw picks dates and then seeds, as everywhere in `scaling/`.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from mlxts import losses, protocol, tasks
from mlxts.data import bars
from mlxts.evaluation import comparison, estimability
from mlxts.evaluation.comparison import Comparison
from mlxts.protocol import REFERENCES
from mlxts.scaling import bootstrap, config_diff, run_table
from mlxts.scaling.bootstrap import Draws
from mlxts.scaling.loss_table import FURTHER, LossTable

# What is predicted, from which data; and what else identifies a configuration.
CELL = ("task", "timescale", "horizon", "symbol")
CONFIGURATION = (
    "data", "features", "fraction", "config_hash", "history", "data_generator", "artifacts",
    "budget",
)  # fmt: skip


@dataclass(frozen=True)
class ConfigurationScores:
    """One configuration in one cell.

    Attributes:
        key: values of `CELL` and `CONFIGURATION` by name, and `non_default_settings`.
        mode: strict where all its runs are.
        runs: run ids, by seed.
        n_total, samples, flops: parameters, training samples, mean operations of a training.
        table: losses of its runs, (T, R).
        reference: the name of the better of HAR and linear; both names where windows differ in it.
        pooled: whether that was fitted on the training days of all assets.
        targets: (T,) what happened.
        weights: (T, B + 1) of the dates, column 0 counts each once.
        seed: of the draws of seeds.
    """

    key: dict
    mode: str
    runs: tuple[str, ...]
    n_total: float
    samples: int
    flops: float
    table: LossTable
    reference: str
    pooled: bool
    targets: np.ndarray
    weights: np.ndarray
    seed: int

    @cached_property
    def draws(self) -> Draws:
        return bootstrap.draw(self.table, self.weights, seed=self.seed)

    @property
    def cell(self) -> tuple:
        return tuple(self.key[name] for name in CELL)

    @property
    def settings(self) -> str:
        """What of its recipe is not at its default."""
        return config_diff.describe(self.key["non_default_settings"], self.key["config_hash"])

    @property
    def obstacle(self) -> str | None:
        return self.table.obstacle

    @property
    def regression(self) -> bool:
        return not tasks.named(self.key["task"]).binary

    @property
    def spacing(self) -> int:
        return self.table.spacing

    def row(self) -> dict:
        """Its figures: key, runs, losses of it and of the references, differences and skills."""
        row_figures = figures(self.table, self.draws)
        ends = row_figures["difference_low"], row_figures["difference_high"]
        return {
            **self.key,
            "settings": self.settings,
            "mode": self.mode,
            "seeds": len(self.runs),
            "n_total": round(self.n_total),
            "samples": self.samples,
            "flops": self.flops,
            **row_figures,
            "reference": self.reference,
            "verdict": comparison.NOT_ESTIMABLE if self.obstacle else comparison.word(*ends),
        }

    def years(self) -> list[dict]:
        """`row` for the dates of each year apart, over the very same draws."""
        years = self.table.dates.astype("datetime64[Y]").astype(int) + 1970
        rows = []
        for year in np.unique(years):
            in_year = years == year
            part = replace(
                self.table,
                dates=self.table.dates[in_year],
                losses=self.table.losses[in_year],
                har=self.table.har[in_year],
                linear=self.table.linear[in_year],
                reference=self.table.reference[in_year],
                prior=self.table.prior[in_year],
                further={name: losses[in_year] for name, losses in self.table.further.items()},
            )
            weights = self.weights[in_year]
            # A draw of few blocks may hold no date of a year: it is no draw of that year.
            weights = weights[:, weights.sum(axis=0) > 0]
            draws = bootstrap.draw(part, weights, seed=self.seed)
            rows.append(
                {
                    **self.key,
                    "settings": self.settings,
                    "mode": self.mode,
                    "seeds": len(self.runs),
                    "year": int(year),
                }
                | figures(part, draws)
            )
        return rows


def figures(table: LossTable, draws: Draws) -> dict:
    """n, n_eff, loss, those of the references, and with _low and _high at 95 % the difference and
    the skill, both against the reference, and skill_har over HAR; None where there is none."""
    losses, bootstrap = draws.rungs[:, 0], table.bootstrap
    against, over_har = (Comparison(losses, r) for r in (draws.reference, draws.har))
    result = {
        "n": len(table.dates),
        "n_eff": bootstrap.effective(table.losses.mean(axis=1), draws.runs.mean(axis=1)),
        "loss": float(losses[0]),
    }
    names = (*REFERENCES, "reference", "prior")
    result |= {f"loss_{name}": float(getattr(draws, name)[0]) for name in names}
    result |= {f"loss_{name}": float(losses.mean()) for name, losses in table.further.items()}
    for name, values in (
        ("difference", against.difference),
        ("skill", against.skill),
        ("skill_har", over_har.skill),
    ):
        low, high = bootstrap.interval(values)
        result |= {name: float(values[0]), f"{name}_low": low, f"{name}_high": high}
    return {name: value if np.isfinite(value) else None for name, value in result.items()}


def scored(ledger: pl.DataFrame, *, draws: int, seed: int = 0) -> list[ConfigurationScores]:
    """Every configuration of a ledger, on canonical rows.

    Of several runs of one seed the one that was started last counts, as in `scaling/axes.py`.
    """
    newest = (
        ledger.select("run", "started", "seed", *CELL, *CONFIGURATION)
        .unique()
        .sort("started", "run")
        .unique(("seed", *CELL, *CONFIGURATION), keep="last")
    )
    rows = ledger.filter(pl.col("canonical"), pl.col("run").is_in(newest["run"].implode()))
    groups = rows.sort(*CELL, *CONFIGURATION, "seed", "run").partition_by(
        [*CELL, *CONFIGURATION], as_dict=True, maintain_order=True
    )
    weights_of_dates: dict[tuple, np.ndarray] = {}
    configurations = [
        _one(
            dict(zip((*CELL, *CONFIGURATION), key, strict=True)),
            group,
            weights_of_dates,
            draws,
            seed,
        )
        for key, group in groups.items()
    ]
    return sorted(configurations, key=_order)


def _order(scores: ConfigurationScores) -> tuple:
    key = scores.key
    return (
        *tasks.position(key["task"]),
        list(protocol.TIMESCALES).index(key["timescale"]),
        key["horizon"], key["symbol"], key["data"], key["features"], key["config_hash"],
        -key["fraction"], key["history"], key["data_generator"], key["artifacts"], scores.n_total,
    )  # fmt: skip


def _one(
    key: dict, group: pl.DataFrame, weights_of_dates: dict[tuple, np.ndarray], draws: int, seed: int
) -> ConfigurationScores:
    runs = tuple(group["run"].unique(maintain_order=True))
    wide = group.pivot("run", index="date", values="loss").drop_nulls().sort("date")
    rows = wide.select("date").join(
        group.filter(run=runs[0]), on="date", how="left", maintain_order="left"
    )
    dates, targets = rows["date"].to_numpy(), rows["target"].to_numpy()
    horizon, spacing = key["horizon"], bars.spacing(protocol.TIMESCALES[key["timescale"]])
    task = tasks.named(key["task"])
    table = LossTable(
        name=key["task"],
        dates=dates,
        losses=wide.select(runs).to_numpy(),
        har=rows["loss_har"].to_numpy(),
        linear=rows["loss_linear"].to_numpy(),
        reference=rows["loss_reference"].to_numpy(),
        prior=rows["loss_prior"].to_numpy(),
        further={name: rows[f"loss_{name}"].to_numpy() for name in FURTHER},
        sizes=np.ones((len(runs), 1)),
        runs=runs,
        horizon=horizon,
        spacing=spacing,
        obstacle=estimability.obstacle_of(task, dates, targets, horizon, spacing)
        or run_table.untrained(rows),
        unit=losses.unit(task),
    )
    same = (dates.tobytes(), table.bootstrap.block)
    if same not in weights_of_dates:
        (weights_of_dates[same],) = bootstrap.date_weights([table], draws=draws, seed=seed)
    return ConfigurationScores(
        key=key | {"non_default_settings": group["non_default_settings"][0]},
        mode="strict" if (group["mode"] == "strict").all() else "exploratory",
        runs=runs,
        n_total=float(group.unique("run")["n_total"].mean()),  # ty: ignore[invalid-argument-type]
        samples=int(group["samples"][0]),
        flops=float(group.unique("run")["flops"].mean()),  # ty: ignore[invalid-argument-type]
        table=table,
        reference=" or ".join(rows["reference"].drop_nulls().unique().sort()),
        pooled=rows["pooled"].is_not_null().any(),
        targets=targets,
        weights=weights_of_dates[same],
        seed=seed,
    )
