"""What a run's forecasts are scored on, known from its settings alone."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from mlxts import split_borders, tasks
from mlxts.protocol import TIMESCALES, Task, Timescale


@dataclass(frozen=True)
class ScoredTask:
    """Attributes:
    horizon: H, trading days. score_on: the symbol whose rows are scored.
    splits_title: the borders of the splits, in words.
    """

    NEEDS: ClassVar = ("task", "timescale", "horizon", "data.score_on", "data.splits")  # settings

    task: Task
    timescale: Timescale
    horizon: int
    score_on: str
    splits_title: str

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Self:
        """From a configuration as JSON, as in run.json."""
        data = settings["data"]
        return cls(
            task=tasks.named(settings["task"]),
            timescale=TIMESCALES[settings["timescale"]],
            horizon=settings["horizon"],
            score_on=data["score_on"],
            splits_title=split_borders.borders(
                data["splits"], data.get("walk_forward_window")
            ).name,
        )
