"""Draws depend on the study and the ordinal, whatever was interrupted before."""

import optuna
import pytest
from optuna.trial import TrialState

from mlxts.search import job_queue, sampling, space
from tests.search import studies


def _study(kind: str = "tpe", name: str = "s", seed: int = 0) -> optuna.Study:
    sampler = sampling.Sampler(kind, seed, startup_trials=4)
    return optuna.create_study(study_name=name, sampler=sampler)


def _value(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -5, 5)
    y = trial.suggest_categorical("y", [1, 2, 3])
    z = trial.suggest_int("z", 0, 9)
    return (x - 1) ** 2 + y + z / 10


def _go(one: optuna.Study, count: int, break_at: dict[int, int] | None = None) -> None:
    """Trials in order; those of `break_at` die after so many draws and are queued again."""
    breaks = dict(break_at or {})
    while len(sampling.suggestions(one)) < count or one.get_trials(states=(TrialState.WAITING,)):
        trial = one.ask()
        number = sampling.ordinal(one, one.trials[trial.number])
        if number in breaks:
            draws = breaks.pop(number)
            for draw in (
                lambda t: t.suggest_float("x", -5, 5),
                lambda t: t.suggest_categorical("y", [1, 2, 3]),
            )[:draws]:
                draw(trial)
            job_queue.mark(one._storage, trial._trial_id, counted=False)
            one.tell(trial, state=TrialState.FAIL)
            job_queue.requeue_marked(one, one._storage)
            continue
        one.tell(trial, _value(trial))


def _told(one: optuna.Study) -> list[tuple[dict, float | None]]:
    return [(t.params, t.value) for t in one.trials if t.state == TrialState.COMPLETE]


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_interruptions_change_neither_draws_nor_values(kind: str) -> None:
    straight, broken = _study(kind), _study(kind)
    _go(straight, 14)
    _go(broken, 14, {0: 2, 3: 0, 7: 1, 8: 2, 13: 2})
    assert len(broken.trials) == 19
    assert _told(broken) == _told(straight)
    ordinals = [t.user_attrs[sampling.ORDINAL] for t in broken.trials]
    assert sorted(set(ordinals)) == list(range(14))


def test_other_seeds_and_other_studies_draw_otherwise() -> None:
    drawn = []
    for one in (_study(), _study(seed=1), _study(name="t")):
        _go(one, 3)
        drawn.append(_told(one))
    assert drawn[0] != drawn[1]
    assert drawn[0] != drawn[2]
    assert len({params["x"] for params, _ in drawn[0]}) == 3


def test_tpe_finds_more_than_random_search() -> None:
    def found(kind: str) -> float:
        values = []
        for seed in range(5):
            one = _study(kind, seed=seed)
            _go(one, 40)
            values.append(one.best_value)
        return sorted(values)[2]

    assert found("tpe") <= found("random")


def _epochs(one: optuna.Study, level: float, last: int) -> int:
    """Report a flat loss each epoch; how many epochs were lived."""
    trial = one.ask()
    for epoch in range(1, last + 1):
        trial.report(level, epoch)
        if epoch < last and trial.should_prune():
            one.tell(trial, state=TrialState.PRUNED)
            return epoch
    one.tell(trial, level)
    return last


@pytest.mark.parametrize("pruner", ["hyperband", "median"])
def test_a_hopeless_trial_is_pruned_and_a_hopeful_one_is_not(pruner: str) -> None:
    search = space.read(studies.experiment(pruner=pruner, min_epochs=2))
    one = _study()
    one.pruner = sampling.make_pruner(search, max_epochs=9)
    for level in (0.5, 0.4, 0.6, 0.45, 0.55, 0.5, 0.6, 0.5):
        _epochs(one, level, 9)
    hopeless = [_epochs(one, 0.9 + i / 100, 9) for i in range(6)]
    assert min(hopeless) >= 2
    assert sum(lived < 9 for lived in hopeless) >= 4
    assert _epochs(one, 0.1, 9) == 9


def test_hyperband_knows_its_rungs_from_the_start_and_brackets_follow_the_ordinal() -> None:
    pruner = sampling.Hyperband(1, 27, 3)
    one, again = _study(), _study()
    one.pruner = again.pruner = pruner
    _epochs(one, 0.5, 27)
    brackets = pruner.brackets
    assert brackets._n_brackets == 4
    _go(again, 6, {1: 2, 2: 1})
    _go(one, 6)
    of = {t.number: brackets._get_bracket_id(one, t) for t in one.trials}
    for trial in again.trials:
        expected = of[trial.user_attrs[sampling.ORDINAL]]
        dead = trial.state == TrialState.FAIL
        assert brackets._get_bracket_id(again, trial) == (-1 if dead else expected)


def test_tpe_learns_from_every_trial_whatever_its_bracket() -> None:
    search = space.read(studies.experiment(pruner="hyperband"))
    one = _study()
    one.pruner = sampling.make_pruner(search, max_epochs=9)
    _epochs(one, 0.5, 9)
    assert optuna.pruners._filter_study(one, one.trials[0]) is one
