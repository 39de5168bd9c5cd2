"""Losses of several runs on the same dates: what every estimate of this room is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from mlxts.evaluation.block_bootstrap import BlockBootstrap
from mlxts.scaling import config_diff

FURTHER = ("lhar", "trees")  # reported with the references; no verdict is against them


@dataclass(frozen=True)
class Pool:
    """What cells must have in common for their gains to be averaged into one claim.

    Attributes:
        strict: whether every run is.
        config_hash: of the settings that are neither axis nor size nor seed.
        non_default_settings: which of them are not at their defaults, as in the ledger.
        data_generator: `real`, or the simulated market; results of different ones are not pooled.
        estimand: what is estimated, where it is not the loss of each scored asset itself.
    """

    strict: bool = True
    config_hash: str = ""
    data_generator: str = "real"
    non_default_settings: str = ""
    estimand: str = ""

    @property
    def order(self) -> tuple:
        """Real before simulated, strict before exploratory, the losses themselves first."""
        simulated = self.data_generator != "real"
        return simulated, not self.strict, self.data_generator, self.config_hash, self.estimand

    @property
    def title(self) -> str:
        mode = "strict" if self.strict else "exploratory"
        market = () if self.data_generator == "real" else (self.data_generator,)
        return ", ".join(
            (
                mode,
                *market,
                *(
                    (config_diff.describe(self.non_default_settings, self.config_hash),)
                    * bool(self.non_default_settings)
                ),
                *((self.estimand,) * bool(self.estimand)),
            )
        )


@dataclass(frozen=True)
class LossTable:
    """T dates × R runs that differ in size (and seed) alone.

    Attributes:
        name: of the cell.
        dates: (T,) datetime64[D], ascending.
        losses: (T, R) of each run, in `unit`.
        har, linear: (T,) of the two references on the same rows; NaN where not estimable.
        reference: (T,) of the better one, which the runs have to beat.
        prior: (T,) of the training base rate (of a number the training mean).
        further: (T,) of each model of `FURTHER` that was predicted; NaN where it was not.
        sizes: (R, axes) parameters, samples or features of each run.
        horizon: H, trading days. spacing: trading days from one date to the next.
        bound: the loss of a forecast that knows the base rate of these rows and nothing else.
        obstacle: why the cell is not estimable, or None.
        runs: (R) run ids, where the table is of runs.
        origins: (T,) the forecast origin of each date; at each of them the seeds of a size are
            networks of their own. None: one network a run for all dates.
        paired: whether its two sizes are two cells to compare, and no sizes.
        deterministic: whether a run is all there is at its size: no seed could change it.
        assets: over how many assets each loss is a mean; n_eff_assets: how many independent ones
            would separate sizes as well.
        references: (T, R) of each run's own reference, where all are estimable. reference_name: of
            the better one; of both where runs differ in it.
        ensembles: (T, K) of the mean forecast of the runs of each size, where it is known.
        pool: with which other cells it may be pooled. unit: of the losses.
    """

    name: str
    dates: np.ndarray
    losses: np.ndarray
    har: np.ndarray
    linear: np.ndarray
    reference: np.ndarray
    prior: np.ndarray
    sizes: np.ndarray
    horizon: int = 1
    spacing: int = 1
    bound: float = np.inf
    obstacle: str | None = None
    runs: tuple[str, ...] = ()
    origins: np.ndarray | None = None
    deterministic: bool = False
    paired: bool = False
    assets: int = 1
    n_eff_assets: float = 1.0
    references: np.ndarray | None = None
    reference_name: str = ""
    ensembles: np.ndarray | None = None
    pool: Pool = Pool()
    further: Mapping[str, np.ndarray] = field(default_factory=dict)
    unit: str = "nats"

    @cached_property
    def _rungs(self) -> tuple[np.ndarray, np.ndarray]:
        rungs, of_run = np.unique(self.sizes, axis=0, return_inverse=True)
        return rungs, of_run.ravel()

    @property
    def rungs(self) -> np.ndarray:
        """(K, axes) distinct sizes, ascending."""
        return self._rungs[0]

    @property
    def rung_of_run(self) -> np.ndarray:
        """(R,) index into `rungs`."""
        return self._rungs[1]

    @property
    def seeds(self) -> np.ndarray:
        """(K,) runs at each rung."""
        return np.bincount(self.rung_of_run)

    @cached_property
    def bootstrap(self) -> BlockBootstrap:
        """Of its dates; of several sizes in blocks as long as the daily part of the gain per decade
        remembers."""
        if len(self.rungs) < 2:
            return BlockBootstrap(self.dates, self.horizon, self.spacing)
        gain = self.losses @ slope_weights(self)
        return BlockBootstrap.remembering(self.dates, gain, self.horizon, self.spacing)


def slope_weights(table: LossTable) -> np.ndarray:
    """(R,) weights of runs' losses in the gain: nats per decade of the first size."""
    x = np.log10(table.rungs[:, 0])
    x = x - x.mean()
    return -(x / (x @ x) / table.seeds)[table.rung_of_run]


def entropy(rate: float) -> float:
    """Nats of a coin that shows heads at `rate`: no constant forecast of it loses less."""
    inside = np.array([p for p in (rate, 1.0 - rate) if p > 0.0])
    return float(-(inside * np.log(inside)).sum())


def named(table: LossTable, estimand: str) -> LossTable:
    """The table with one more word on what it is an estimate of, if there is any."""
    if not estimand:
        return table
    pool = replace(table.pool, estimand=", ".join(filter(None, (table.pool.estimand, estimand))))
    return replace(table, name=f"{table.name}, {estimand}", pool=pool)
