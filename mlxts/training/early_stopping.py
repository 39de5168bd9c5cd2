"""When to stop: the validation loss has not improved in `patience` validations."""

from dataclasses import dataclass, replace


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
