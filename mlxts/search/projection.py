"""What a sweep will cost: parameters, operations, memory and time of every run, before it begins.

A step of each shape is timed on this machine, with real data; a run's time is that times its
steps, at most, because a run may stop early.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mlxts import dataset, run_files
from mlxts.dataset import Dataset
from mlxts.errors import DataError, MlxtsError
from mlxts.search import readiness
from mlxts.search.matrix import Point
from mlxts.training import batch_size, run
from mlxts.training.run import Plan

_STEPS = 3  # that are timed of each shape


@dataclass(frozen=True)
class Projection:
    """What one run will cost on this machine.

    Attributes:
        plan: None where the run cannot be planned here.
        done: its run folder on this machine holds a summary.
        seconds_per_step: None where it was not timed.
        problem: why it could not begin on this machine, in a few words.
    """

    point: Point
    plan: Plan | None = None
    done: bool = False
    seconds_per_step: float | None = None
    problem: str | None = None

    @property
    def memory_bytes(self) -> int | None:
        """Planned; None where the micro-batch is not known yet."""
        return None if self.plan is None or self.problem else self.plan.memory_bytes()

    @property
    def flops(self) -> int | None:
        """Of all its steps, if it does not stop early."""
        if self.plan is None:
            return None
        return self.plan.record()["flops_per_step"] * self.plan.total_steps

    @property
    def seconds(self) -> float | None:
        """At most, for all its steps."""
        if self.plan is None or self.seconds_per_step is None:
            return None
        return self.seconds_per_step * self.plan.total_steps


def project(
    points: list[Point],
    hashes: dict[str, str],
    *,
    timed: bool = True,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Projection]:
    """One projection for each point, in their order. Writes nothing.

    Args:
        hashes: of the artifacts that the sweep is bound to (see `readiness.pins`).
        timed: time steps, of the runs that are not done.
        progress: told what is being timed.
    """
    planner = _Planner(hashes)
    seconds: dict[tuple, float] = {}
    projections = []
    for point in points:
        try:
            plan, problem = planner.plan(point)
        except MlxtsError as error:
            projections.append(Projection(point, problem=str(error)))
            continue
        done = run_files.is_finished(plan.folder)
        key = (plan.shape, plan.config.training.batch_size, plan.micro_batch)
        if timed and not done and not problem and key not in seconds:
            progress(
                f"timing {point.config.budget} on {len(plan.dataset.names)} features, "
                f"micro-batch {plan.micro_batch}"
            )
            try:
                seconds[key] = run.time_steps(plan, _STEPS)
            except MlxtsError as error:  # memory that others have taken: the rest can be planned
                problem = str(error)
        projections.append(Projection(point, plan, done, seconds.get(key), problem))
    return projections


class _Planner:
    """Plans runs one after another, and keeps the last data set for the next."""

    def __init__(self, hashes: dict[str, str]) -> None:
        self._hashes = hashes
        self._key: str | None = None
        self._data: Dataset | None = None

    def plan(self, point: Point) -> tuple[Plan, str | None]:
        """The plan, and what keeps it from beginning here. Raises MlxtsError: there is none."""
        configuration = readiness.pinned(point.config, self._hashes)
        relevant = {"data", "features", "timescale", "task", "horizon"}
        key = configuration.model_dump_json(include=relevant) + str(configuration.model.context)
        if key != self._key:
            self._data, self._key = None, None
            self._data, self._key = dataset.build(configuration, register=False), key
        if self._data is None:
            raise DataError("no data")
        plan = run.plan(configuration, data=self._data, tuned=False)
        untuned = batch_size.untuned(configuration, self._data)
        if untuned:
            return plan, untuned
        try:
            readiness.require_room(plan)
        except MlxtsError as error:
            return plan, str(error)
        return plan, None
