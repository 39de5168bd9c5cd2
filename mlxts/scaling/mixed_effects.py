"""Do more data, or more features, change what parameters buy? A mixed model over all cells.

    skill = logN * logD + logN * logF + (1 + logN | cell) + (1 | cell:seed)

with skill = 1 - loss / the reference's loss of a run, logs to base ten and centred, so that the
slope of logN is the skill gained per decade of parameters at the middle of D and F. Reported are
slopes at the lowest, middle and highest D and F, with intervals, and how much the slope varies
between cells; an interaction alone is not interpretable.

`statsmodels` estimates the variance components. Its standard errors take runs on the same dates for
independent, which they are not: intervals come from the hierarchical bootstrap instead, in which
the fixed effects are solved anew for each draw (generalised least squares, components held fixed).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlxts.errors import RunError
from mlxts.evaluation.block_bootstrap import percentile_interval
from mlxts.scaling import axes, bootstrap
from mlxts.scaling.loss_table import LossTable
from mlxts.scaling.verdict import Judged

AXES = ("N", "D", "F")


@dataclass(frozen=True)
class Slope:
    """Skill per decade of N where the other sizes are at `at`."""

    at: str
    slope: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Mixed:
    """The fitted model.

    Attributes:
        effects: fixed effects by name, with 95 % intervals.
        slopes: of logN at low, middle and high D and F, where those vary.
        between_cells: standard deviation of the slope of logN over cells; NaN with one cell.
        cells, runs: how many.
        converged: whether the variance components settled; else they are taken as zero, which
            leaves ordinary least squares.
    """

    effects: dict[str, tuple[float, float, float]]
    slopes: tuple[Slope, ...]
    between_cells: float
    cells: int
    runs: int
    converged: bool


def over(
    ledger: pl.DataFrame,
    tables: Sequence[LossTable],
    judged: Judged,
    *,
    parameters: str = "total",
    seed: int = 0,
) -> Mixed | None:
    """The model over the cells along N of the primary pool that were judged; None without any.

    Args:
        parameters: a name in `axes.PARAMETERS`. seed: of the draws of seeds.
    """
    usable = [t for t in tables if t.name in judged.draws and t.pool == judged.primary]
    if not usable:
        return None
    skills = []
    for index, cell in enumerate(usable):
        draws = judged.draws[cell.name]
        runs = bootstrap.redraw_seeds(draws.runs, cell.rung_of_run, seed=seed + 1 + index)
        skills.append(1.0 - runs / draws.reference[:, None])
    return fit(axes.design(ledger, usable, parameters), np.concatenate(skills, axis=1))


def fit(runs: pl.DataFrame, skills: np.ndarray) -> Mixed:
    """Fit the model.

    Args:
        runs: one row a run: cell, seed, N, D, F.
        skills: (B + 1, runs), row 0 the figures, the others their bootstrap draws.

    Raises:
        RunError: all runs are of one N.
    """
    logs = {axis: np.log10(runs[axis].to_numpy()) for axis in AXES}
    if np.ptp(logs["N"]) == 0.0:
        raise RunError("all runs have the same number of parameters; train a second budget")
    centred = {axis: values - values.mean() for axis, values in logs.items()}
    varying = [axis for axis in ("D", "F") if np.ptp(logs[axis]) > 0.0]
    design = {"intercept": np.ones(runs.height), "logN": centred["N"]}
    for axis in varying:
        design[f"log{axis}"] = centred[axis]
        # With one N at every D the product would be a sum of the others.
        design[f"logN:log{axis}"] = centred["N"] * centred[axis]
    design = _identified(design)
    X = np.stack(list(design.values()), axis=1)
    covariance, between, converged = _components(runs, skills[0], X, centred["N"])
    weight = np.linalg.solve(covariance, X)
    solved = np.linalg.solve(X.T @ weight, weight.T @ skills.T)  # (p, B + 1)
    effects = dict(zip(design, solved, strict=True))
    slopes = [_slope("middle", effects["logN"])]
    for axis in varying:
        name = f"logN:log{axis}"
        if name in effects:
            for word, end in (("low", centred[axis].min()), ("high", centred[axis].max())):
                slopes.append(_slope(f"{word} {axis}", effects["logN"] + end * effects[name]))
    return Mixed(
        effects={
            name: (float(values[0]), *percentile_interval(values[1:]))
            for name, values in effects.items()
        },
        slopes=tuple(slopes),
        between_cells=between,
        cells=runs["cell"].n_unique(),
        runs=runs.height,
        converged=converged,
    )


def _slope(at: str, values: np.ndarray) -> Slope:
    return Slope(at, float(values[0]), percentile_interval(values[1:]))


def _identified(design: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Leave out columns that depend linearly on those before."""
    independent: dict[str, np.ndarray] = {}
    for name, column in design.items():
        stacked = np.stack([*independent.values(), column], axis=1)
        if np.linalg.matrix_rank(stacked) > len(independent):
            independent[name] = column
    return independent


def _components(
    runs: pl.DataFrame, skill: np.ndarray, X: np.ndarray, log_n: np.ndarray
) -> tuple[np.ndarray, float, bool]:
    """(runs, runs) covariance, the deviation of slopes between cells, and whether it settled."""
    identity = np.eye(runs.height)
    cells = runs["cell"].to_list()
    if len(set(cells)) < 3:  # too few to estimate a spread between them
        return identity, float("nan"), True
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, ModelWarning

    names = list(dict.fromkeys(cells))
    seeds, matrices = _seed_indicators(runs, names)
    model = MixedLM(
        skill,
        X,
        groups=np.array(cells),
        exog_re=np.stack([np.ones(runs.height), log_n], axis=1),
        exog_vc=VCSpec(["seed"], [seeds], [matrices]),
    )
    with warnings.catch_warnings():
        # A component at zero is an answer here, not a failure.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", ModelWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            result = model.fit(reml=True, method=["lbfgs", "powell"])
        except np.linalg.LinAlgError:
            return identity, float("nan"), False
    between, seed_variance = np.asarray(result.cov_re), float(np.asarray(result.vcomp)[0])
    scale = float(result.scale)
    if not (np.isfinite(between).all() and np.isfinite(seed_variance) and scale > 0.0):
        return identity, float("nan"), False
    covariance = scale * identity
    Z = np.stack([np.ones(runs.height), log_n], axis=1)
    same = np.array(cells)[:, None] == np.array(cells)[None, :]
    of_seed = same & (runs["seed"].to_numpy()[:, None] == runs["seed"].to_numpy()[None, :])
    covariance = covariance + same * (Z @ between @ Z.T) + of_seed * seed_variance
    return covariance, float(np.sqrt(max(between[1, 1], 0.0))), bool(result.converged)


def _seed_indicators(
    runs: pl.DataFrame, names: Sequence[str]
) -> tuple[list[list[str]], list[np.ndarray]]:
    """For each cell the names of its seeds, and (runs of the cell, seeds) who belongs to which."""
    labels, matrices = [], []
    # The order of groups is that of statsmodels: sorted.
    for name in sorted(names):
        cell_seeds = runs.filter(pl.col("cell") == name)["seed"].to_numpy()
        distinct = np.unique(cell_seeds)
        labels.append([str(seed) for seed in distinct])
        matrices.append((cell_seeds[:, None] == distinct[None, :]).astype(float))
    return labels, matrices
