"""The pre-registered verdict: scaling, inverse, flat, inconclusive or not estimable.

The estimand is the gain: how many nats the loss falls per decade of size, minus the least-squares
slope of the mean losses by size on log10 of the sizes. It is defined for any true law.

scaling        the gain's 95 % interval lies above 0, a power law predicts the largest size better
               than a constant, and the test split, where it has been opened, has the same sign
inverse        the mirror image
flat           two one-sided tests at 5 %: the 90 % interval lies inside ± margin, which is 20 % of
               what HAR gains over the base rate (Schuirmann 1987; where HAR gains nothing there is
               no scale to call small by, and flat is out of reach)
inconclusive   none of these
not estimable  too few of a class, or too few sizes

Only cells with the same mode, settings and market are pooled (`loss_table.Pool`): a control is no
evidence about real prices, and an ablation or another forecast origin is no replicate. Over the
cells of a pool both families of p-values are adjusted by Benjamini, Hochberg (1995); the gains of
the estimable cells, in units of the loss of each cell's reference (skill per decade), are pooled
into one test, unadjusted. The first pool, real and strict where there is one, is the primary claim.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control

from mlxts.evaluation import power
from mlxts.evaluation.block_bootstrap import percentile_interval
from mlxts.scaling import bootstrap, laws
from mlxts.scaling.bootstrap import Draws
from mlxts.scaling.loss_table import LossTable, Pool
from mlxts.scaling.select import Selection, select, skill

MARGIN = 0.2  # of HAR's gain over the base rate
SIGNIFICANCE = 0.05
SCALING, INVERSE, FLAT = "scaling", "inverse", "flat"
BETTER, WORSE = "better", "worse"  # of two cells that are compared, see `scaling/column_pairs.py`
INCONCLUSIVE, NOT_ESTIMABLE = "inconclusive", "not estimable"
POOLED = "pooled"


@dataclass(frozen=True)
class Verdict:
    """The verdict on one cell along one axis.

    Attributes:
        name: of the cell, or `POOLED` (and of which cells, where there are several pools).
        word: one of the five.
        reason: why, in a sentence.
        unit: of gain, margin and intervals: that of the losses, or skill, per decade.
        gain: how much the loss falls per decade of size; above 0 bigger is better.
        interval, interval90: of the gain.
        margin: what counts as no more than flat.
        p, p_equivalence: of gain = 0 (two-sided) and of |gain| >= margin. q, q_equivalence: the
            same, adjusted over the cells that were judged together.
        error: standard error of the gain.
        reference: the better of HAR and linear; of both where runs differ in it.
        skill: gain in units of the reference's loss, per decade.
        extrapolation: 1 - error of a power law / of a constant at the largest size left out.
        replicated: whether the test split's gain has the same sign; None: not opened.
        sizes, seeds, dates, assets: how many there were; for seeds the fewest at any size.
        seeds_at: how many at each size, from the smallest on; of a pool the counts that occur.
        n_eff_assets: how many independent assets would know the gain as well.
        paired: two cells were compared; the gain is how much less the second loses.
    """

    name: str
    word: str
    reason: str
    unit: str = "nats"
    gain: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    interval90: tuple[float, float] = (math.nan, math.nan)
    margin: float = math.nan
    p: float = math.nan
    p_equivalence: float = math.nan
    q: float = math.nan
    q_equivalence: float = math.nan
    skill: float = math.nan
    extrapolation: float = math.nan
    replicated: bool | None = None
    error: float = math.nan
    reference: str = ""
    sizes: int = 0
    seeds: int = 0
    seeds_at: tuple[int, ...] = ()
    dates: int = 0
    assets: int = 1
    n_eff_assets: float = 1.0
    paired: bool = False

    def to_dict(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return asdict(self) | {"label": self.label, "seen": self.seen, "certified": self.certified}

    @property
    def seen(self) -> float:
        """The smallest gain that would have been seen with 80 %, see `evaluation/power.py`."""
        return power.smallest_gain(self.error)

    @property
    def certified(self) -> float:
        """The smallest margin of *flat* that would be shown with 80 %, were nothing there."""
        return power.smallest_margin(self.error)

    @property
    def label(self) -> str:
        """The word, with a note where a claim is not yet confirmed on the test split."""
        waits = self.word in (SCALING, INVERSE, BETTER, WORSE) and self.replicated is None
        return f"{self.word}, not replicated yet" if waits else self.word


@dataclass(frozen=True)
class Judged:
    """Verdicts of cells, those of their pools, and what they were made from."""

    cells: tuple[Verdict, ...]
    pools: Mapping[Pool, Verdict]  # the primary one first
    draws: Mapping[str, Draws]  # by cell, of the estimable ones
    selections: Mapping[str, Selection]

    @property
    def primary(self) -> Pool:
        return next(iter(self.pools))

    @property
    def pooled(self) -> Verdict:
        """The primary claim."""
        return self.pools[self.primary]


def gains(sizes: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """(B,) nats per decade that (B, K) losses fall over (K,) sizes."""
    x = np.log10(sizes)
    x = x - x.mean()
    return -(losses @ x) / (x @ x)


def judge(
    tables: Sequence[LossTable],
    *,
    test: Mapping[str, LossTable] | None = None,
    draws: int = bootstrap.DRAWS,
    seed: int = 0,
    only: Collection[str] = laws.FAMILIES,
) -> Judged:
    """Judge cells along one axis.

    Args:
        tables: of one size axis each; names must differ.
        test: the same cells on the test split, where that has been opened.
        draws: B, of dates and seeds. seed: of all of them.
        only: families to fit; flat and power are all that a verdict reads.
    """
    usable = [table for table in tables if _obstacle(table) is None]
    cell_draws, selections, evidence = {}, {}, {}
    # A seed has one effect on every asset: cells of the same runs share draws of seeds.
    alike: dict[tuple[str, ...], int] = {}
    if usable:
        all_weights = bootstrap.date_weights(usable, draws=draws, seed=seed)
        for index, (table, weights) in enumerate(zip(usable, all_weights, strict=True)):
            number = alike.setdefault(table.runs, index) if table.runs else index
            cell = bootstrap.draw(
                table, weights, seed=seed + 1 + number, widen=table.bootstrap.widening
            )
            cell_draws[table.name], selections[table.name] = cell, select(table, cell, only=only)
            evidence[table.name] = _evidence(table, cell, selections[table.name], test or {})
    members = _pools(tables, usable)
    adjusted = [
        v
        for members_of_pool in members.values()
        for v in _adjust([evidence[t.name] for t in members_of_pool])
    ]
    cells = {v.name: _decide(v, cell_draws[v.name].seed_noise) for v in adjusted}
    verdicts = tuple(
        cells.get(table.name) or Verdict(table.name, NOT_ESTIMABLE, _obstacle(table) or "")
        for table in tables
    )
    pools = {
        pool: _pool(
            POOLED if len(members) == 1 else f"{POOLED}: {pool.title}",
            members_of_pool,
            [cell_draws[table.name] for table in members_of_pool],
            [selections[table.name] for table in members_of_pool],
            [cells[table.name] for table in members_of_pool],
        )
        for pool, members_of_pool in members.items()
    }
    return Judged(verdicts, pools, cell_draws, selections)


def claims(judged: Judged, tables: Sequence[LossTable]) -> list[Verdict]:
    """One verdict a pool: of a pool of one cell that of the cell, in nats."""
    cells = {verdict.name: verdict for verdict in judged.cells}
    verdicts = []
    for pool, verdict in judged.pools.items():
        pool_cells = [
            table.name for table in tables if table.pool == pool and table.name in judged.draws
        ]
        verdicts.append(cells[pool_cells[0]] if len(pool_cells) == 1 else verdict)
    return verdicts


def _pools(tables: Sequence[LossTable], usable: list[LossTable]) -> dict[Pool, list[LossTable]]:
    """The estimable cells of each pool; a pool without any is included only if it is alone."""
    by_pool = {pool: [t for t in usable if t.pool == pool] for pool in {t.pool for t in tables}}
    estimable = (
        {pool: pool_tables for pool, pool_tables in by_pool.items() if pool_tables}
        or by_pool
        or {Pool(): []}
    )
    return dict(sorted(estimable.items(), key=lambda item: item[0].order))


def _obstacle(table: LossTable) -> str | None:
    if table.obstacle:
        return table.obstacle
    if len(table.rungs) < 2:
        return "runs of one size alone"
    return None


def _evidence(
    table: LossTable, draws: Draws, selection: Selection, test: Mapping[str, LossTable]
) -> Verdict:
    """All the figures of a cell's verdict, without its word."""
    gain = gains(table.rungs[:, 0], draws.rungs)
    margin = MARGIN * float(draws.prior[0] - draws.har[0])
    replicated = None
    if table.name in test:
        other = test[table.name]
        means = np.array(
            [other.losses[:, other.rung_of_run == k].mean() for k in range(len(other.rungs))]
        )
        replicated = bool(np.sign(gains(other.rungs[:, 0], means)) == np.sign(gain[0]))
    return replace(
        _test_gain(table.name, gain, margin),
        unit=table.unit,
        skill=float(gain[0] / draws.reference[0]),
        extrapolation=selection.skill,
        replicated=replicated,
        sizes=len(table.rungs),
        seeds=int(table.seeds.min()),
        seeds_at=tuple(int(count) for count in table.seeds),
        dates=len(table.dates),
        reference=table.reference_name,
        assets=table.assets,
        n_eff_assets=table.n_eff_assets,
        paired=table.paired,
    )


def _test_gain(name: str, gain: np.ndarray, margin: float) -> Verdict:
    """Intervals and p-values of a gain, from its draws (row 0 is the figure)."""
    draws = gain[1:]
    above, below = _share(draws <= 0.0), _share(draws >= 0.0)
    equivalence = 1.0 if margin <= 0 else max(_share(draws <= -margin), _share(draws >= margin))
    return Verdict(
        name=name,
        word="",
        reason="",
        gain=float(gain[0]),
        interval=percentile_interval(draws),
        interval90=percentile_interval(draws, 0.9),
        margin=margin,
        p=min(1.0, 2.0 * min(above, below)),
        p_equivalence=equivalence,
        error=float(np.std(draws, ddof=1)),
    )


def _share(true: np.ndarray) -> float:
    """Of draws, never exactly 0: a bootstrap of B draws knows no p below 1 / (B + 1)."""
    return float((true.sum() + 1.0) / (len(true) + 1.0))


def _adjust(cells: list[Verdict]) -> list[Verdict]:
    if not cells:
        return []
    q = false_discovery_control([cell.p for cell in cells])
    q_equivalence = false_discovery_control([cell.p_equivalence for cell in cells])
    return [
        replace(cell, q=float(a), q_equivalence=float(b))
        for cell, a, b in zip(cells, q, q_equivalence, strict=True)
    ]


def _decide(verdict: Verdict, seed_noise: bool) -> Verdict:
    """The rules, in their order."""

    def with_reason(word: str, reason: str) -> Verdict:
        return replace(verdict, word=word, reason=reason)

    if not seed_noise:
        return with_reason(INCONCLUSIVE, "one seed at every size: seed variance is unknown")
    missing = _missing(verdict)
    if missing is None:
        small = abs(verdict.gain) < verdict.margin
        words = (BETTER, WORSE) if verdict.paired else (SCALING, INVERSE)
        return with_reason(
            words[0] if verdict.gain > 0.0 else words[1],
            "the 95 % interval excludes 0"
            + ("" if verdict.paired else " and a power law predicts the largest size")
            + (", though the slope is smaller than the margin" if small else "")
            + ("" if verdict.replicated else "; not yet replicated on the test split"),
        )
    if verdict.q_equivalence <= SIGNIFICANCE:
        return with_reason(FLAT, f"the 90 % interval lies inside the margin; {missing}")
    if not verdict.margin > 0.0:
        return with_reason(
            INCONCLUSIVE, f"{missing}; no margin, since HAR does not beat the base rate"
        )
    return with_reason(INCONCLUSIVE, f"{missing}; the 90 % interval reaches beyond the margin")


def _missing(verdict: Verdict) -> str | None:
    """What a claim of scaling (or its inverse) lacks, or None."""
    if verdict.q > SIGNIFICANCE:
        return (
            "the 95 % interval includes 0"
            if verdict.p > SIGNIFICANCE
            else ("the slope differs from 0, but not after allowing for the number of cells")
        )
    if not verdict.paired and math.isnan(verdict.extrapolation):
        return "the slope differs from 0, but three sizes are needed to test extrapolation"
    if not verdict.paired and not verdict.extrapolation > 0.0:
        return "the slope differs from 0, but a constant predicts the largest size better"
    if verdict.replicated is False:
        return "the slope differs from 0, but has the other sign on the test split"
    return None


def _pool(
    name: str,
    tables: list[LossTable],
    cell_draws: list[Draws],
    chosen: list[Selection],
    cells: list[Verdict],
) -> Verdict:
    if not tables:
        return Verdict(name, NOT_ESTIMABLE, "no cell is estimable")
    per_cell = [
        gains(t.rungs[:, 0], d.rungs) / d.reference for t, d in zip(tables, cell_draws, strict=True)
    ]
    gain = np.mean(per_cell, axis=0)
    margin = MARGIN * float(np.mean([(d.prior[0] - d.har[0]) / d.reference[0] for d in cell_draws]))
    replications = [v.replicated for v in cells if v.replicated is not None]
    tested = _test_gain(name, gain, margin)
    pooled = replace(
        tested,
        unit="skill",
        q=tested.p,
        q_equivalence=tested.p_equivalence,
        skill=tested.gain,
        extrapolation=skill(chosen),
        # On test the sign of most cells decides.
        replicated=(sum(replications) > len(replications) / 2) if replications else None,
        sizes=min(v.sizes for v in cells),
        seeds=min(v.seeds for v in cells),
        seeds_at=tuple(sorted({count for v in cells for count in v.seeds_at})),
        dates=max(v.dates for v in cells),
        reference=" or ".join(sorted({n for v in cells for n in v.reference.split(" or ") if n})),
        assets=max(v.assets for v in cells),
        n_eff_assets=max(v.n_eff_assets for v in cells),
        paired=all(v.paired for v in cells),
    )
    return _decide(pooled, any(d.seed_noise for d in cell_draws))
