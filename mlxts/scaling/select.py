"""Selection of a law by its extrapolation error (Alabdulmohsin et al. 2022).

Every family is fitted without the largest size (of a surface: once without the largest N, once
without the largest D) and predicts the loss there. Among the families whose error lies within one
standard error of the best one's, the simplest is chosen (Breiman et al. 1984); the standard error
is that of the bootstrap. How often each family is chosen over the draws is part of the result: a
law that wins 40 % of them is a guess.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlxts.evaluation.block_bootstrap import percentile_interval
from mlxts.scaling import laws
from mlxts.scaling.bootstrap import Draws
from mlxts.scaling.fit import Fit, fit
from mlxts.scaling.loss_table import LossTable


@dataclass(frozen=True)
class Selection:
    """All families on one table, and the one to believe.

    Attributes:
        sizes: (K, axes). losses: (B + 1, K), row 0 the table itself.
        fits: by name, each of B + 1 laws. Simplest first.
        errors: by name (B + 1,) root mean square error of ln L at the sizes left out.
        chosen: the name of the law.
        frequencies: share of the draws in which each family is chosen.
    """

    sizes: np.ndarray
    losses: np.ndarray
    fits: dict[str, Fit]
    errors: dict[str, np.ndarray]
    chosen: str
    frequencies: dict[str, float]

    @property
    def flat(self) -> str:
        return next(iter(self.fits))

    @property
    def power_error(self) -> float:
        """Of the plain power law at the sizes left out; NaN where there are too few to fit it."""
        name = next((name for name in self.errors if name in ("power", "power_surface")), None)
        return float("nan") if name is None else float(self.errors[name][0])

    @property
    def flat_error(self) -> float:
        """Of a constant at the sizes left out."""
        return float(self.errors[self.flat][0])

    @property
    def skill(self) -> float:
        """1 - error of the plain power law / that of flat; above 0 the power law extrapolates
        better.

        Fixed beforehand, not the best family's: the best of six beats flat on most flat tables.
        """
        return skill([self])

    def summary(self) -> list[dict[str, Any]]:
        """One row a family: parameters with 95 % intervals, error and frequency."""
        rows: list[dict[str, Any]] = []
        for name, law in self.fits.items():
            parameters = law.parameters()
            rows.append(
                {
                    "family": name,
                    "formula": law.family.formula,
                    "parameters": {key: float(values[0]) for key, values in parameters.items()},
                    "intervals": {
                        key: list(percentile_interval(values[1:]))
                        for key, values in parameters.items()
                    },
                    "objective": float(law.objective[0]),
                    "extrapolation_error": float(self.errors[name][0]),
                    "selection_frequency": self.frequencies[name],
                    "chosen": name == self.chosen,
                }
            )
        return rows


def select(table: LossTable, draws: Draws, *, only: Collection[str] = laws.FAMILIES) -> Selection:
    """Fit every family (`only`: of these) that the table has sizes enough for, and choose."""
    sizes, losses = table.rungs, draws.rungs
    axes = sizes.shape[1]
    center = np.log(sizes).mean(axis=0)
    candidates = tuple(f for f in laws.available(axes, len(sizes)) if f.name in only)
    fits, residuals = {}, {}
    for family in candidates:
        fits[family.name] = fit(family, sizes, losses, bound=table.bound)
        missed = []
        for axis in range(axes):
            out = sizes[:, axis] == sizes[:, axis].max()
            if len(family.parameters) > (~out).sum():
                missed.append(np.full((len(losses), 1), np.inf))
                continue
            law = fit(family, sizes[~out], losses[:, ~out], bound=table.bound, center=center)
            missed.append(np.log(losses[:, out]) - np.log(law.predict(sizes[out])))
        residuals[family.name] = np.concatenate(missed, axis=1)
    errors = {name: np.sqrt((missed**2).mean(axis=1)) for name, missed in residuals.items()}
    picks = _one_standard_error(candidates, list(errors.values()), list(residuals.values()))
    names = list(errors)
    counts = np.bincount(picks[1:], minlength=len(names)) / max(len(picks) - 1, 1)
    return Selection(
        sizes=sizes,
        losses=losses,
        fits=fits,
        errors=errors,
        chosen=names[picks[0]],
        frequencies={name: float(count) for name, count in zip(names, counts, strict=True)},
    )


def _one_standard_error(
    candidates: tuple[laws.Family, ...], errors: list[np.ndarray], residuals: list[np.ndarray]
) -> np.ndarray:
    """(B + 1,) index of the choice; families in the order of simplicity.

    Args:
        errors: of each family (B + 1,). residuals: of each family (B + 1, left out), whose spread
            over the draws is the standard error. (That of the error itself, which has lost its
            sign, is too small for a family that hit by chance.)
    """
    error = np.stack(errors, axis=1)
    spread = np.array(
        [np.sqrt(r[1:].var(axis=0).mean()) if np.isfinite(r).all() else 0.0 for r in residuals]
    )
    within = error <= (error.min(axis=1) + spread[error.argmin(axis=1)])[:, None]
    complexity = np.array([len(family.parameters) for family in candidates])
    # Of equally simple ones the better: complexity first, then the error itself.
    fewest = np.where(within, complexity, complexity.max() + 1).min(axis=1, keepdims=True)
    return np.where(within & (complexity == fewest), error, np.inf).argmin(axis=1)


def skill(selections: Sequence[Selection]) -> float:
    """Of several tables: 1 - sum of the power laws' errors / sum of flat's, where there is both.

    0 where the constant has no error. NaN without any power law.
    """
    pairs = [(s.power_error, s.flat_error) for s in selections if not math.isnan(s.power_error)]
    if not pairs:
        return float("nan")
    power, flat = (sum(errors) for errors in zip(*pairs, strict=True))
    return 1.0 - power / flat if flat > 0.0 else 0.0
