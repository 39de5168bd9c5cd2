"""What a study found, and how much of it was luck."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from mlxts.errors import SearchError
from mlxts.search import analysis, study
from mlxts.search.job_queue import RUN_ID
from mlxts.search.objective import DUPLICATE
from mlxts.training.events import Event
from mlxts.training.plan import make_plan
from tests import homes
from tests.search import studies


def _quadratic(trials: int = 20) -> optuna.Study:
    """x decides nearly everything, y a little, z nothing."""
    one = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def value(trial: optuna.Trial) -> float:
        x, y = trial.suggest_float("x", -1, 1), trial.suggest_float("y", -1, 1)
        trial.suggest_float("z", -1, 1)
        return x**2 + 0.1 * y**2

    one.optimize(value, n_trials=trials)
    return one


def test_importance_ranks_what_decides_and_says_how_sure_the_method_is() -> None:
    rows = analysis.importance(_quadratic(), seeds=3)
    assert rows[0].name == "x"
    assert sum(row.mean for row in rows) == pytest.approx(1.0)
    for row in rows:
        assert row.low <= row.mean <= row.high
    assert any(row.deviation > 0 for row in rows)
    assert analysis.importance(_quadratic(), seeds=3) == rows


def test_importance_needs_enough_trials_that_differ() -> None:
    assert analysis.importance(_quadratic(3)) == []
    one = optuna.create_study()
    one.optimize(lambda trial: 1.0 + 0 * trial.suggest_float("x", 0, 1), n_trials=6)
    assert analysis.importance(one) == []


def test_the_top_is_sorted_and_holds_no_duplicate() -> None:
    one = _quadratic(12)
    twin = optuna.trial.create_trial(
        value=-1.0, params=one.trials[0].params, distributions=one.trials[0].distributions,
        user_attrs={DUPLICATE: 0}, state=TrialState.COMPLETE,
    )  # fmt: skip
    one.add_trial(twin)
    leaders = analysis.top(one, 5)
    values = [trial.value for trial in leaders if trial.value is not None]
    assert len(values) == len(leaders)
    assert values == sorted(values)
    assert -1.0 not in values
    ends = analysis.spread(one)
    assert set(ends) == {"x", "y", "z"}
    assert ends["x"]["tried"][0] <= ends["x"]["best_quarter"][0]
    assert ends["x"]["best_quarter"][1] <= ends["x"]["tried"][1]


@pytest.fixture
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homes.simulated(tmp_path, monkeypatch)


@pytest.mark.usefixtures("_home")
def test_the_winner_is_trained_again_with_other_seeds_and_once_only() -> None:
    one, store = studies.begin(studies.experiment(trials=2))
    assert analysis.selection_bias(one) is None
    study.run_all(one, store)
    leader, configuration = study.winner(one)
    seen: list[Any] = []
    found = analysis.rerun(one, 2, began=seen.append)
    assert seen == [configuration.seed + 1, configuration.seed + 2]
    assert found.selected == leader.value
    assert found.optimism == pytest.approx(
        sum(one.value for one in found.reruns) / 2 - found.selected
    )
    assert found.error > 0
    for again in found.reruns:
        seeded = configuration.model_copy(update={"seed": again.seed})
        assert make_plan(seeded).run_id == again.run_id != leader.user_attrs[RUN_ID]
    losses = [one.loss - one.baseline for one in found.reruns if one.loss and one.baseline]
    assert found.against_baseline == pytest.approx(sum(losses) / 2)
    said = {"beats", "not significantly different", "loses"}
    assert {again.verdict for again in found.reruns} <= said
    assert {again.reference for again in found.reruns} <= {"har", "linear"}
    events: list[Event] = []
    assert analysis.rerun(one, 2, emit=events.append) == found
    assert events == []
    assert analysis.selection_bias(one) == found


def test_the_baseline_to_beat_is_the_best_one_the_training_rate_among_them() -> None:
    scores = {
        "patchtst": {"log_loss": 0.60, "log_loss_prior": 0.69},
        "har": {"log_loss": 0.70},
        "base_rate_by_volatility": {"log_loss": 0.71},
    }
    assert analysis._best_baseline(scores, "log_loss") == 0.69
    scores["har"]["log_loss"] = 0.5
    assert analysis._best_baseline(scores, "log_loss") == 0.5
    assert analysis._best_baseline({"patchtst": {}, "har": {"rmse": 0.1}}, "rmse") == 0.1


@pytest.mark.parametrize(
    ("words", "better"),
    [("beats matches", False), ("beats beats matches", True), ("loses matches", False)],
)
def test_better_than_the_baseline_is_said_where_most_intervals_say_so(
    words: str, better: bool
) -> None:
    reruns = [
        analysis.Rerun(0, seed, "r", 0.6, 0.6, 0.7, w) for seed, w in enumerate(words.split())
    ]
    assert analysis.SelectionBias(0.5, tuple(reruns)).better is better


@pytest.mark.usefixtures("_home")
def test_without_a_complete_trial_there_is_nothing_to_train_again() -> None:
    one, _ = studies.begin(studies.experiment())
    with pytest.raises(SearchError, match="is complete; continue it"):
        analysis.rerun(one, 1)
