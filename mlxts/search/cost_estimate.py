"""What a sweep will cost: parameters, operations, memory and time of every run, before it begins.

A step of each shape is timed on this machine, with real data; a run's time is that times its
steps, at most, because a run may stop early. What runs have in common is worked out once: data
for each data set, all else for each kind of run, which is what differs in more than its seed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from mlxts import code_version, run_files
from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.errors import MlxtsError
from mlxts.search import worker_checks
from mlxts.search.sweep_config import Point
from mlxts.training import batch_size, run
from mlxts.training.run import Plan

_STEPS = 3  # that are timed of each shape
_OF_DATA = {"data", "features", "timescale", "task", "horizon"}
_OF_ONE_RUN = {"name", "seed", "thermal", "checkpoint", "tracking"}  # cost nothing, or no more


@dataclass(frozen=True)
class Projection:
    """What one run will cost on this machine.

    Attributes:
        done: its run folder on this machine holds a summary.
        problem: why it could not begin on this machine, in a few words.
        run_id, n_total, total_steps: None where the run cannot be planned here.
        flops: of all its steps, if it does not stop early.
        memory_bytes: planned; None where the micro-batch is not known yet.
        seconds_per_step: None where it was not timed.
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

    @property
    def seconds(self) -> float | None:
        """At most, for all its steps."""
        if self.total_steps is None or self.seconds_per_step is None:
            return None
        return self.seconds_per_step * self.total_steps


@dataclass
class _Kind:
    """What runs have in common that differ in no more than `_OF_ONE_RUN`."""

    plan: Plan
    problem: str | None
    n_total: int
    flops: int
    memory_bytes: int | None
    seconds_per_step: float | None = None


def project(
    points: list[Point],
    hashes: dict[str, str],
    *,
    timed: bool = True,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Projection]:
    """One projection for each point, in their order. Writes nothing.

    Args:
        hashes: of the artifacts that the sweep is bound to (see `worker_checks.pins`).
        timed: time steps, of the runs that are not done.
        progress: told what is being timed.
    """
    timer = _Timer(progress) if timed else None
    bound = [worker_checks.pinned(point.config, hashes) for point in points]
    keys = [_data_key(configuration) for configuration in bound]
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    found: dict[int, Projection] = {}
    for _, group in groupby(
        sorted(range(len(points)), key=lambda index: first[keys[index]]), keys.__getitem__
    ):
        indices = list(group)
        some = [(points[index], bound[index]) for index in indices]
        found |= zip(indices, _of_one_data_set(some, timer), strict=True)
    return [found[index] for index in range(len(points))]


def _of_one_data_set(
    runs: list[tuple[Point, ExperimentConfig]], timer: "_Timer | None"
) -> Iterator[Projection]:
    """Projections of points that read the same; their data are let go at the end."""
    try:
        data = build_dataset(runs[0][1], register=False)
    except MlxtsError as error:
        yield from (Projection(point, problem=str(error)) for point, _ in runs)
        return
    code, done = code_version.of(code_version.RUN), set(run_files.finished())
    kinds: dict[str, _Kind | str] = {}
    for point, configuration in runs:
        key = configuration.model_dump_json(exclude=_OF_ONE_RUN)
        if key not in kinds:
            kinds[key] = _kind(configuration, data)
        kind = kinds[key]
        if isinstance(kind, str):
            yield Projection(point, problem=kind)
            continue
        run_id = run.identify(configuration, data, kind.plan.micro_batch, code=code)
        if timer and run_id not in done:
            timer.time(kind)
        yield Projection(
            point,
            done=run_id in done,
            problem=kind.problem,
            run_id=run_id,
            n_total=kind.n_total,
            total_steps=kind.plan.total_steps,
            flops=kind.flops,
            memory_bytes=kind.memory_bytes,
            seconds_per_step=kind.seconds_per_step,
        )


def _kind(configuration: ExperimentConfig, data: Dataset) -> _Kind | str:
    """What it costs, or why it cannot be planned."""
    try:
        plan = run.plan(configuration, data=data, tuned=False)
    except MlxtsError as error:
        return str(error)
    problem = batch_size.untuned(configuration, data)  # all but its memory and time is known
    if problem is None:
        try:
            worker_checks.require_room(plan)
        except MlxtsError as error:
            problem = str(error)
    figures = plan.record()
    flops = figures["flops_per_step"] * plan.total_steps
    memory = None if problem else figures["memory_bytes"]
    return _Kind(plan, problem, figures["n_total"], flops, memory)


class _Timer:
    """Times a step of each shape, once."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._seconds: dict[tuple, float | str] = {}

    def time(self, kind: _Kind) -> None:
        """Note how long a step takes, or what keeps it from being timed."""
        plan = kind.plan
        if kind.problem or kind.seconds_per_step is not None:
            return
        key = (plan.shape, plan.config.training.batch_size, plan.micro_batch)
        if key not in self._seconds:
            self._progress(
                f"timing {plan.config.budget} on {len(plan.dataset.names)} features, "
                f"micro-batch {plan.micro_batch}"
            )
            try:
                self._seconds[key] = run.time_steps(plan, _STEPS)
            except MlxtsError as error:  # memory that others have taken: the rest can be planned
                self._seconds[key] = str(error)
        said = self._seconds[key]
        if isinstance(said, str):
            kind.problem, kind.memory_bytes = said, None
        else:
            kind.seconds_per_step = said


def _data_key(configuration: ExperimentConfig) -> str:
    return configuration.model_dump_json(include=_OF_DATA) + str(configuration.model.context)
