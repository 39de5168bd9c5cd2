"""What a sweep will cost: parameters, operations, memory and time of every run, before it begins.

A step of each shape is timed on this machine, with real data; a run's time is that times its
steps, at most, because a run may stop early. What runs have in common is worked out once: data
for each data set, all else for each kind of run, which is what differs in more than its seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.errors import MlxtsError
from mlxts.runs.index import finished_ids
from mlxts.search import sweep_power, worker_checks
from mlxts.search.sweep_config import Point
from mlxts.search.sweep_power import Evidence
from mlxts.training import batch_size
from mlxts.training.plan import Plan, make_plan
from mlxts.training.run_id import make_run_id

_STEPS = 3  # that are timed of each shape
_OF_DATA = {"data", "features", "timescale", "task", "horizon"}
_OF_ONE_RUN = {"name", "seed", "thermal", "checkpoint", "tracking"}  # cost nothing, or no more


@dataclass(frozen=True)
class CostEstimate:
    """What one run will cost on this machine.

    Attributes:
        done: its run folder on this machine holds a summary.
        problem: why it could not start on this machine, in a few words.
        run_id, n_total, total_steps: None where the run cannot be planned here.
        flops: of all its steps, if it does not stop early.
        memory_bytes: planned; None where the micro-batch is not known yet.
        seconds_per_step: None where it was not timed.
        evidence: what it is scored on; None where its data cannot be read here.
        not_estimable: why it takes part in no claim: too little to score on all windows of its cell
            together, or to train on; or None.
    """

    point: Point
    done: bool = False
    problem: str | None = None
    run_id: str | None = None
    n_total: int | None = None
    total_steps: int | None = None
    flops: int | None = None
    memory_bytes: int | None = None
    seconds_per_step: float | None = None
    evidence: Evidence | None = None
    not_estimable: str | None = None

    @property
    def seconds(self) -> float | None:
        """At most, for all its steps."""
        if self.total_steps is None or self.seconds_per_step is None:
            return None
        return self.seconds_per_step * self.total_steps


def estimate(
    points: list[Point],
    hashes: dict[str, str],
    *,
    timed: bool = True,
    progress: Callable[[str], None] = lambda text: None,
) -> list[CostEstimate]:
    """One estimate for each point, in their order. Writes nothing.

    Args:
        hashes: of the artifacts that the sweep is bound to (see `worker_checks.pins`).
        timed: time steps, of the runs that are not done.
        progress: is given a line before anything is timed.
    """
    timer = _Timer(progress) if timed else None
    runs = [(point, worker_checks.pinned(point.config, hashes)) for point in points]
    data_sets: dict[str, list[int]] = {}
    for index, (_, configuration) in enumerate(runs):
        data_sets.setdefault(_data_key(configuration), []).append(index)
    estimates: dict[int, CostEstimate] = {}
    for indices in data_sets.values():
        some = _of_one_data_set([runs[index] for index in indices], timer)
        estimates |= zip(indices, some, strict=True)
    return _judged([estimates[index] for index in range(len(points))])


def _judged(estimates: list[CostEstimate]) -> list[CostEstimate]:
    """With whether each cell can be estimated on all of its windows together."""
    cells: dict[str, dict[str, CostEstimate]] = {}
    for cost in estimates:
        if cost.evidence is not None:
            config = cost.point.config
            cells.setdefault(sweep_power.cell_key(config), {})[_data_key(config)] = cost
    obstacles = {
        key: sweep_power.obstacle(
            next(iter(own.values())).point.config,
            [cost.evidence for cost in own.values() if cost.evidence is not None],
        )
        for key, own in cells.items()
    }
    return [
        replace(
            cost,
            not_estimable=obstacles[sweep_power.cell_key(cost.point.config)]
            or cost.evidence.untrained,
        )
        if cost.evidence
        else cost
        for cost in estimates
    ]


def _of_one_data_set(
    runs: list[tuple[Point, ExperimentConfig]], timer: "_Timer | None"
) -> list[CostEstimate]:
    """Estimates of points that read the same; their data are let go at the end."""
    try:
        data = build_dataset(runs[0][1], register=False)
    except MlxtsError as error:
        return [CostEstimate(point, problem=str(error)) for point, _ in runs]
    evidence = Evidence.of(data)
    done = finished_ids()
    estimates: list[CostEstimate] = []
    alike: dict[str, tuple[Plan | None, CostEstimate]] = {}  # in all but `_OF_ONE_RUN`
    for point, configuration in runs:
        key = configuration.model_dump_json(exclude=_OF_ONE_RUN)
        plan, cost = alike.get(key) or _plan(point, configuration, data)
        if plan is not None:
            run_id = make_run_id(configuration, data, plan.micro_batch)
            if timer and run_id not in done and not cost.problem:
                cost = timer.time(plan, cost)
            cost = replace(cost, point=point, run_id=run_id, done=run_id in done)
        alike[key] = plan, cost
        estimates.append(replace(cost, point=point, evidence=evidence))
    return estimates


def _plan(
    point: Point, configuration: ExperimentConfig, data: Dataset
) -> tuple[Plan | None, CostEstimate]:
    """What a run costs but for its time, or why it cannot be planned."""
    try:
        plan = make_plan(configuration, data=data, tuned=False)
    except MlxtsError as error:
        return None, CostEstimate(point, problem=str(error))
    problem = batch_size.untuned(configuration, data)  # all but its memory and time is known
    if problem is None:
        try:
            worker_checks.require_room(plan)
        except MlxtsError as error:
            problem = str(error)
    record = plan.to_dict()
    return plan, CostEstimate(
        point,
        problem=problem,
        n_total=record["n_total"],
        total_steps=plan.total_steps,
        flops=record["flops_per_step"] * plan.total_steps,
        memory_bytes=None if problem else record["memory_bytes"],
    )


class _Timer:
    """Times a step of each shape, once."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._seconds: dict[tuple, float | str] = {}

    def time(self, plan: Plan, cost: CostEstimate) -> CostEstimate:
        """With how long a step takes, or what keeps it from being timed."""
        key = (plan.shape, plan.config.training.batch_size, plan.micro_batch)
        if key not in self._seconds:
            self._progress(
                f"timing {plan.config.budget} on {len(plan.dataset.names)} features, "
                f"micro-batch {plan.micro_batch}"
            )
            try:
                self._seconds[key] = plan.time_steps(_STEPS)
            except MlxtsError as error:  # memory that others have taken: the rest can be planned
                self._seconds[key] = str(error)
        seconds = self._seconds[key]
        if isinstance(seconds, str):
            return replace(cost, problem=seconds, memory_bytes=None)
        return replace(cost, seconds_per_step=seconds)


def _data_key(configuration: ExperimentConfig) -> str:
    return configuration.model_dump_json(include=_OF_DATA) + str(configuration.model.context)
