"""What a sweep can find out, before any of it is trained: estimability and expected power.

Runs that differ in budget, seed and walk-forward window alone are one cell: whether there is enough
to score is a matter of all its windows together, because leaving single quiet windows out would
choose days by what happened on them. Along each axis that varies, the cell's power follows from
`evaluation/power.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from mlxts import protocol, tasks
from mlxts.config.experiment import ExperimentConfig
from mlxts.data import bars
from mlxts.dataset.samples import Dataset, is_scored
from mlxts.evaluation import estimability, power
from mlxts.evaluation.power import Design
from mlxts.formats import count
from mlxts.protocol import LossNoise

_NO_CELL = {"name", "seed", "budget", "thermal", "checkpoint", "tracking", "model", "training"}


@dataclass(frozen=True)
class Evidence:
    """What a run would be scored on: canonical rows of the scored symbol, m of them.

    Attributes:
        untrained: why no reference could be fitted on its training days, or None.
    """

    dates: Shaped[np.ndarray, " m"]
    targets: Float[np.ndarray, " m"]
    untrained: str | None

    @classmethod
    def of(cls, data: Dataset) -> "Evidence":
        """That of a data set: its validation split, or its walk-forward window."""
        scored = data.samples["validation" if data.walk_forward_window is None else "test"]
        train = data.samples["train"]
        rows, own = is_scored(scored, data.score_on), train.symbols == data.score_on
        untrained = None
        if data.task.kind in ("direction", "threshold"):
            positives = int(train.targets[own].sum())
            fewest = min(positives, int(own.sum()) - positives)
            if fewest < protocol.MIN_CLASS_SAMPLES:
                untrained = f"{fewest} training samples of the rarer class"
        return cls(scored.dates[rows], scored.targets[rows].astype(np.float64), untrained)


@dataclass(frozen=True)
class CellPower:
    """What the runs of one cell will see along one axis.

    Attributes:
        cell: what is predicted. axis: key of the sweep that varies, `budget` or another.
        design: of cells with the same assets two sizes, a decade apart: a gain is then their
            difference. noise: None where none was measured for this task.
        not_estimable: why, or None.
    """

    cell: str
    axis: str
    design: Design
    noise: LossNoise | None
    not_estimable: str | None

    @property
    def error(self) -> float | None:
        """SE of the gain per decade; None where nothing can be said."""
        return None if self.noise is None or self.not_estimable else self.design.error(self.noise)


def obstacle(config: ExperimentConfig, evidence: Iterable[Evidence]) -> str | None:
    """Why what a cell is scored on is too little, all of its windows together; or None."""
    parts = list(evidence)
    assert config.horizon is not None
    spacing = bars.spacing(protocol.TIMESCALES[config.timescale])
    order = np.argsort(dates := np.concatenate([part.dates for part in parts]))
    targets = np.concatenate([part.targets for part in parts])[order]
    task = tasks.named(config.task)
    return estimability.obstacle_of(task, dates[order], targets, config.horizon, spacing)


def cell_key(config: ExperimentConfig) -> str:
    """Equal where two runs are scored on windows of the same cell."""
    values = config.model_dump(mode="json", exclude=_NO_CELL)
    del values["data"]["walk_forward_window"]
    return str(values)


def independent_days(config: ExperimentConfig, days: int) -> int:
    """Scored days whose labels share none: of H days that overlap one counts."""
    assert config.horizon is not None
    spacing = bars.spacing(protocol.TIMESCALES[config.timescale])
    return round(days * min(1.0, spacing / config.horizon))


def usual_noise(config: ExperimentConfig) -> LossNoise | None:
    """What was measured before the study; None of a task whose losses are no nats."""
    if tasks.named(config.task).kind not in ("direction", "threshold"):
        return None
    return protocol.NOISE["residual" if config.model.residual_of else "strict"]


# Axis of a sweep -> the size of a run along it; the others have none.
SIZES: dict[str, Callable[[ExperimentConfig], float]] = {
    "budget": lambda config: float(protocol.BUDGETS[config.budget].parameters),
    "tier": lambda config: float(config.features.tier),
    "train_fraction": lambda config: config.data.train_fraction,
    "cell": lambda config: float(len(config.data.symbols)),
    "train_symbols": lambda config: float(len(config.data.train_symbols or config.data.symbols)),
}


def cell_powers(
    runs: list[tuple[ExperimentConfig, Evidence]], axes: Iterable[str], noise: LossNoise | None
) -> list[CellPower]:
    """The power of each cell along each axis of `SIZES` that varies in it.

    Args:
        runs: configurations and what each is scored on. axes: of the sweep.
        noise: as measured on runs that are there; None: `usual_noise`.
    """
    found = []
    for axis in [axis for axis in axes if axis in SIZES]:
        groups: dict[str, list[tuple[ExperimentConfig, Evidence]]] = {}
        for config, evidence in runs:
            fixed = config.model_dump(mode="json", exclude={"name", "seed"})
            del fixed["data"]["walk_forward_window"]
            for key in _SETS[axis]:
                section, _, name = key.rpartition(".")
                (fixed[section] if section else fixed).pop(name)
            groups.setdefault(str(fixed), []).append((config, evidence))
        found += [
            one for members in groups.values() if (one := _power(axis, members, noise)) is not None
        ]
    return found


_SETS = {
    "budget": ("budget",),
    "tier": ("features.tier",),
    "train_fraction": ("data.train_fraction",),
    "cell": ("data.cell", "data.symbols", "data.exogenous"),
    "train_symbols": ("data.train_symbols",),
}


def _power(
    axis: str, members: list[tuple[ExperimentConfig, Evidence]], noise: LossNoise | None
) -> CellPower | None:
    sizes = sorted({SIZES[axis](config) for config, _ in members})
    if axis == "cell" and len(sizes) == 1 and len({c.data.title for c, _ in members}) > 1:
        sizes = [1.0, 10.0]
    if len(sizes) < 2:
        return None
    first = members[0][0]
    windows = {config.data.walk_forward_window: evidence for config, evidence in members}
    days = sum(len(evidence.dates) for evidence in windows.values())
    names = [f"{first.task} H{first.horizon} {first.timescale}", first.data.title]
    names += [first.budget] * (axis != "budget")
    return CellPower(
        cell=", ".join(names[:1] if axis == "cell" else names),
        axis=axis,
        design=Design(
            sizes=tuple(sizes),
            seeds=len({config.seed for config, _ in members}),
            days=independent_days(first, days),
            origins=len(windows),
        ),
        noise=noise or usual_noise(first),
        not_estimable=obstacle(first, windows.values()),
    )


def expected(config: ExperimentConfig, data: Dataset) -> dict[str, Any]:
    """Of one run: whether its cell can be estimated, how many days are scored, and what three sizes
    a decade apart with three seeds would see on them."""
    evidence = Evidence.of(data)
    days, noise = independent_days(config, len(evidence.dates)), usual_noise(config)
    problem = obstacle(config, [evidence]) or evidence.untrained
    known = noise is not None and problem is None
    error = Design((1.0, 10.0, 100.0), 3, days).error(noise) if known else None
    return {
        "scored_days": len(evidence.dates),
        "not_estimable": problem,
        "smallest_gain": None if error is None else power.smallest_gain(error),
    }


def sentence(record: dict[str, Any]) -> str:
    """`expected` in words."""
    days = count(record["scored_days"], "scored row")
    if record["not_estimable"]:
        return f"{days}: not estimable, part of no claim: {record['not_estimable']}."
    if record["smallest_gain"] is None:
        return f"{days}: estimable."
    return (
        f"{days}: estimable; three sizes a decade apart with three seeds would see a gain of "
        f"{record['smallest_gain']:.4f} nats per decade with 80 %."
    )
