"""Base rates of every task, and whether a split has enough events to be scored.

Computed before any training, from the samples that a model would be trained and scored on. The test
years' outcomes stay closed: only their number of samples is shown.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from mlxts import split_borders
from mlxts.data import bars
from mlxts.dataset.labels import label_bars
from mlxts.dataset.samples import Dataset, Samples, is_scored, split_samples
from mlxts.evaluation import estimability
from mlxts.protocol import SPLIT_NAMES, TASKS, Task

OPEN = ("train", "validation")


@dataclass(frozen=True)
class Rate:
    """One task on the samples of one split: all of them, or those of the canonical phase.

    Attributes:
        n: samples. n_pos: with a positive target; None for a number.
        rate: n_pos / n; None for a number and where there is no sample.
        deviation: of the targets, where they are numbers; else None.
        not_estimable: why the cell takes part in no claim, or None.
    """

    task: str
    split: str
    canonical: bool
    n: int
    n_pos: int | None
    rate: float | None
    deviation: float | None
    not_estimable: str | None


def rates(data: Dataset) -> list[Rate]:
    """All tasks on the symbol that is scored, at the data set's own timescale and horizon.

    Returns:
        For each task and each split of `OPEN` one rate over all phases, and where there are
        several phases one over the canonical phase before it.
    """
    spacing = bars.spacing(data.timescale)
    split_rates = []
    for task in TASKS.values():
        labels = label_bars(data.bars, data.daily, task, data.horizon)
        samples = split_samples(labels, data.eligible, split_borders.borders(data.splits_name))
        for split in OPEN:
            split_rows = samples[split]
            main = is_scored(split_rows, data.score_on)
            if spacing > 1:
                split_rates.append(_rate(task, split, split_rows, main, data.horizon, spacing))
            of_symbol = split_rows.symbols == data.score_on
            split_rates.append(_rate(task, split, split_rows, of_symbol, data.horizon, 1))
    return split_rates


def counts(data: Dataset) -> list[dict[str, int]]:
    """Samples of the scored symbol in each phase: phase, then one number for each split."""
    phases_of_split = {
        split: samples.phases[samples.symbols == data.score_on]
        for split, samples in data.samples.items()
    }
    last = max(phases.max(initial=0) for phases in phases_of_split.values())
    per_phase = {
        split: np.bincount(phases, minlength=last + 1) for split, phases in phases_of_split.items()
    }
    return [
        {"phase": phase} | {split: int(per_phase[split][phase]) for split in SPLIT_NAMES}
        for phase in range(last + 1)
    ]


def _rate(
    task: Task,
    split: str,
    samples: Samples,
    chosen: Bool[np.ndarray, " {len(samples)}"],
    horizon: int,
    spacing: int,
) -> Rate:
    """The rate of the `chosen` samples, whose dates are `spacing` trading days apart."""
    dates, targets = samples.dates[chosen], samples.targets[chosen].astype(np.float64)
    canonical = bool((samples.phases[chosen] == bars.CANONICAL).all())
    n = len(targets)
    if not task.binary:
        deviation = float(targets.std()) if n else None
        return Rate(task.name, split, canonical, n, None, None, deviation, None)
    positives = int(targets.sum())
    obstacle = estimability.obstacle(dates, targets, horizon, spacing)
    rate = positives / n if n else None
    return Rate(task.name, split, canonical, n, positives, rate, None, obstacle)
