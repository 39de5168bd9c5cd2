"""A study at one moment: what its trials say."""

from typing import Any

import optuna
from optuna.trial import TrialState, create_trial

from mlxts.search import sampling, snapshot
from mlxts.search.job_queue import ORIGIN
from mlxts.search.objective import DUPLICATE, REASON
from mlxts.search.sampling import ORDINAL


def _study(target: int = 10) -> optuna.Study:
    one = optuna.create_study(study_name="hpo-small-0123456789")
    one.set_user_attr("target_trials", target)
    return one


def _add(one: optuna.Study, value: float | None, state: TrialState, **more: Any) -> None:
    attributes = {ORDINAL: len(sampling.suggestions(one)), **more.get("attributes", {})}
    one.add_trial(
        create_trial(
            value=value,
            state=state,
            params={"depth": 2},
            distributions={"depth": optuna.distributions.IntDistribution(1, 4)},
            user_attrs=attributes,
            system_attrs=more.get("system", {}),
        )
    )


def test_every_trial_that_ended_has_a_sentence() -> None:
    one = _study()
    _add(one, 0.6, TrialState.COMPLETE, attributes={"n_total": 20_011})
    _add(one, 0.5, TrialState.COMPLETE, attributes={"n_total": 19_990})
    _add(one, 0.55, TrialState.PRUNED, attributes={REASON: "not promising: 0.55, epoch 1"})
    _add(one, None, TrialState.PRUNED, attributes={REASON: "diverged: the loss became nan"})
    _add(one, 0.5, TrialState.COMPLETE, attributes={DUPLICATE: 1})
    _add(one, None, TrialState.FAIL, attributes={"why": "no space left"})
    _add(one, None, TrialState.FAIL, attributes={"again": True})
    _add(one, None, TrialState.WAITING)
    now = snapshot.take(one)
    assert now.best is not None
    assert (now.best.number, now.best.n_total, now.best.parameters) == (1, 19_990, {"depth": 2})
    assert now.n_ended == 7
    assert [(line.text, line.tone) for line in now.ended.values()] == [
        ("trial 0: 0.6000", "plain"),
        ("trial 1: 0.5000, the best so far", "good"),
        ("trial 2: pruned, not promising: 0.55, epoch 1", "plain"),
        ("trial 3: pruned, diverged: the loss became nan", "warning"),
        ("trial 4: the same as trial 1, not trained again", "plain"),
        ("trial 5: failed and given up, no space left", "warning"),
        ("trial 6: cut short, it is queued again", "warning"),
    ]


def test_a_trial_that_is_run_again_counts_once() -> None:
    one = _study(4)
    _add(one, 0.6, TrialState.COMPLETE)
    _add(one, None, TrialState.FAIL)
    again = {"attributes": {ORDINAL: 1}, "system": {ORIGIN: 1}}
    _add(one, None, TrialState.WAITING, **again)
    now = snapshot.take(one)
    assert now.counts == {"done": 1, "running": 0, "pruned": 0, "waiting": 1, "failed": 0}
    assert sampling.ordinal(one, one.trials[2]) == 1


def test_the_best_value_never_gets_worse() -> None:
    one = _study()
    for value in (0.6, 0.7, 0.5, 0.9):
        _add(one, value, TrialState.COMPLETE)
    assert snapshot.best_values(one.trials) == [0.6, 0.6, 0.5, 0.5]
