"""A snapshot of a study, a search or a sweep, for the screens of `console/`."""

from collections import Counter
from collections.abc import Iterable, Mapping

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlxts import formats, protocol
from mlxts.console.event_text import Line
from mlxts.console.study_progress import BestTrial, Running, StudySnapshot
from mlxts.evaluation import comparison
from mlxts.search import job_queue, sampling, sweep
from mlxts.search.objective import DUPLICATE, REASON
from mlxts.search.study import FINISHED
from mlxts.search.study import best as best_trial

_STATES = {
    "done": TrialState.COMPLETE,
    "running": TrialState.RUNNING,
    "pruned": TrialState.PRUNED,
    "waiting": TrialState.WAITING,
    "failed": TrialState.FAIL,
}


def take(study: optuna.Study) -> StudySnapshot:
    """Counts, the best trial, who trains what, and a line for each trial that has ended."""
    return _of_sweep(study) if study.user_attrs.get("kind") == sweep.KIND else _of_search(study)


def _of_sweep(study: optuna.Study) -> StudySnapshot:
    points = sweep.points(study)
    labels = {point.trial.number: point.point.label for point in points if point.trial}
    trials = {point.trial.number: point.trial for point in points if point.trial}
    states = Counter(point.state for point in points)
    times = [seconds for trial in trials.values() if (seconds := _seconds(trial)) is not None]
    verdicts = {
        number: comparison.against(
            trial.user_attrs.get("verdict"), trial.user_attrs.get("reference") or protocol.BASELINE
        )
        or "without a verdict"
        for number, trial in trials.items()
        if trial.state == TrialState.COMPLETE
    }
    ended = {
        number: Line(
            f"{labels[number]}: {formats.loss(trials[number].value)}, {verdict}",
            "good" if verdict.startswith(comparison.BEATS) else "plain",
        )
        for number, verdict in verdicts.items()
    }
    ended |= {
        point.trial.number: Line(f"{point.point.label}: failed, {point.why}", "warning")
        for point in points
        if point.trial and point.state == "failed"
    }
    counts = {name: states[name] for name in ("done", "running", "waiting", "failed")}
    return StudySnapshot(
        study.study_name,
        len(points),
        {**counts, "pruned": 0},
        None,
        [],
        sum(times) / len(times) if times else None,
        ended,
        noun="run",
        running=_running(trials.values(), labels),
        outcomes=dict(Counter(verdicts.values())),
    )


def _running(trials: Iterable[FrozenTrial], labels: Mapping[int, str]) -> tuple[Running, ...]:
    return tuple(
        Running(
            trial.number,
            labels.get(trial.number, f"trial {trial.number}"),
            (trial.user_attrs.get("owner") or {}).get("host", "another worker"),
            trial.datetime_start,
        )
        for trial in trials
        if trial.state == TrialState.RUNNING
    )


def _of_search(study: optuna.Study) -> StudySnapshot:
    trials = study.get_trials(deepcopy=False)
    retried = [trial for trial in trials if job_queue.ORIGIN in trial.system_attrs]
    # The last try of every suggestion.
    last = {sampling.ordinal(study, t): t for t in (*sampling.suggestions(study), *retried)}
    states = [trial.state for trial in last.values()]
    times = [seconds for t in last.values() if (seconds := _seconds(t)) is not None]
    best = best_trial(study)
    return StudySnapshot(
        study.study_name,
        study.user_attrs["target_trials"],
        {name: states.count(state) for name, state in _STATES.items()},
        None if best is None else _best_trial(best),
        best_values(list(last.values())),
        sum(times) / len(times) if times else None,
        {t.number: sentence(t, best) for t in trials if t.state.is_finished()},
        running=_running(trials, {}),
    )


def best_values(trials: list[FrozenTrial]) -> list[float]:
    """The lowest value after each complete trial, in the order in which they ended."""
    ended = [t for t in trials if t.state == TrialState.COMPLETE and t.datetime_complete]
    values: list[float] = []
    for trial in sorted(ended, key=lambda t: (str(t.datetime_complete), t.number)):
        assert trial.value is not None
        values.append(min([trial.value, *values[-1:]]))
    return values


def sentence(trial: FrozenTrial, best: FrozenTrial | None) -> Line:
    """What became of a trial, in one line."""
    reason, twin = trial.user_attrs.get(REASON), trial.user_attrs.get(DUPLICATE)
    begin = f"trial {trial.number}"
    if twin is not None:
        return Line(f"{begin}: the same as trial {twin}, not trained again")
    if trial.state == TrialState.COMPLETE:
        if best and best.number == trial.number:
            return Line(f"{begin}: {formats.loss(trial.value)}, the best so far", "good")
        return Line(f"{begin}: {formats.loss(trial.value)}")
    if trial.state == TrialState.PRUNED:
        expected = reason is None or reason.startswith("not promising")
        return Line(
            f"{begin}: pruned, {reason or 'no reason given'}", "plain" if expected else "warning"
        )
    if job_queue.will_be_retried(trial):
        return Line(f"{begin}: cut short, it is queued again", "warning")
    why = trial.user_attrs.get(job_queue.WHY, "its worker died")
    return Line(f"{begin}: failed and given up, {why}", "warning")


def _best_trial(trial: FrozenTrial) -> BestTrial:
    assert trial.value is not None
    n_total = trial.user_attrs.get("n_total")
    return BestTrial(trial.number, trial.value, trial.params, n_total)


def _seconds(trial: FrozenTrial) -> float | None:
    if trial.state not in FINISHED or DUPLICATE in trial.user_attrs:
        return None
    return None if trial.duration is None else trial.duration.total_seconds()
