"""When to stop: the validation loss has not improved in `patience` validations.

`training.stop_on` sets the samples of that loss: *samples*, the mean over all validation
samples, so that an asset with more days (and a day with more assets) counts for more; *scored*, the
scored asset's alone; *panel*, the mean over assets of each one's own mean. Samples and panel are
of the assets that are trained on (`data.train_symbols`).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Integer

from mlxts.config.training import StopOn
from mlxts.dataset.samples import Samples
from mlxts.training.events import StopEvent


def stopping_samples(
    validation: Samples, stop_on: StopOn, score_on: str
) -> tuple[Integer[np.ndarray, " m"], Float64[np.ndarray, " m"] | None]:
    """Which validation samples the loss that decides is of, in all phases, and their weights.

    Args:
        score_on: the scored symbol.

    Returns:
        Indices, and weights of sum 1; None where all weigh the same.
    """
    if stop_on == "scored":
        return np.flatnonzero(validation.symbols == score_on), None
    if stop_on == "samples":
        return np.arange(len(validation)), None
    assets, of_sample, counts = np.unique(
        validation.symbols, return_inverse=True, return_counts=True
    )
    return np.arange(len(validation)), 1.0 / (len(assets) * counts[of_sample])


def validation_steps(steps_per_epoch: int, count: int) -> frozenset[int]:
    """Positions within an epoch (counted from 1) after which validation is scored; the last is one.

    >>> sorted(validation_steps(10, 4))
    [3, 5, 8, 10]
    """
    return frozenset(math.ceil(steps_per_epoch * k / count) for k in range(1, count + 1))


@dataclass(frozen=True)
class EarlyStopping:
    """A value, replaced at every validation; part of a checkpoint.

    Attributes:
        patience: validations without improvement before stopping.
        min_delta: by how much a loss must fall to count, in nats.
        best: lowest loss so far. best_step: the update after which it was seen.
        waited: validations since then.
    """

    patience: int
    min_delta: float = 0.0
    best: float = float("inf")
    best_step: int = -1
    waited: int = 0

    def update(self, loss: float, step: int) -> "EarlyStopping":
        """The state after a validation loss at `step`."""
        if loss < self.best - self.min_delta:
            return replace(self, best=loss, best_step=step, waited=0)
        return replace(self, waited=self.waited + 1)

    @property
    def improved(self) -> bool:
        """Whether the last validation was the best one."""
        return self.best_step >= 0 and self.waited == 0

    @property
    def should_stop(self) -> bool:
        return self.waited >= self.patience

    def end(self, step: int) -> StopEvent:
        """Why training ends at a step without anyone who stopped it."""
        best = f"best validation loss {self.best:.4f} at step {self.best_step}"
        if self.should_stop:
            message = f"no improvement in {self.waited} validations; {best}"
            return StopEvent(step, "early_stop", message)
        return StopEvent(step, "finished", f"all epochs finished; {best}")
