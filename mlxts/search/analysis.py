"""Analysis of a study: importance of its dimensions, and the selection bias of its best value.

The best of many noisy values is too low: it was selected for its noise as well. `rerun` trains the
winner again with other seeds, on the same data and still without the test split; the mean of those
runs minus the selected value is the optimism of the search.
"""

import math
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from mlxts import experiment
from mlxts.evaluation import comparison
from mlxts.protocol import BASELINE
from mlxts.runs.predictions import NETWORK
from mlxts.search import train_validation_data, worker_checks
from mlxts.search.jobs import TrialInterrupted
from mlxts.search.objective import DUPLICATE
from mlxts.search.study import best, winner
from mlxts.training.events import Listener
from mlxts.training.plan import make_plan

RERUNS = "reruns"  # user attribute of a study
IMPORTANCE_SEEDS = 10
MIN_TRIALS = 4  # complete ones that a forest needs


@dataclass(frozen=True)
class Importance:
    """A dimension's share of the variance of the values (Hutter et al. 2014), over forests.

    The spread over seeds is that of the method alone, a lower bound of the uncertainty.
    """

    name: str
    mean: float
    deviation: float  # over the seeds of the random forest
    low: float
    high: float


@dataclass(frozen=True)
class Rerun:
    """The winner's configuration with one seed."""

    trial: int  # whose configuration
    seed: int
    run_id: str
    value: float  # as the objective: loss of the best epoch over all validation samples
    loss: float | None  # of the scored rows; log loss, or RMSE of a regression
    baseline: float | None  # the lowest of the simple models' on the same rows
    verdict: str | None  # by the interval against the reference, see `evaluation/verdict.py`
    reference: str = BASELINE  # its name; re-runs of before there was a linear one name none


@dataclass(frozen=True)
class SelectionBias:
    """Losses: lower is better, so a positive `optimism` is selection bias."""

    selected: float  # the winner's value in the search
    reruns: tuple[Rerun, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(rerun.value for rerun in self.reruns)

    @property
    def error(self) -> float:
        """Standard error of the mean; NaN for a single re-run."""
        if len(self.reruns) < 2:
            return math.nan
        return statistics.stdev(rerun.value for rerun in self.reruns) / math.sqrt(len(self.reruns))

    @property
    def optimism(self) -> float:
        return self.mean - self.selected

    @property
    def against_baseline(self) -> float | None:
        """Mean loss of the re-runs minus the best baseline's; below zero is better.

        Not minus the reference's: where there is nothing to learn it fits noise itself, and the
        training rate alone is the one to beat.
        """
        pairs = [(rerun.loss, rerun.baseline) for rerun in self.reruns]
        differences = [a - b for a, b in pairs if a is not None and b is not None]
        return statistics.fmean(differences) if differences else None

    @property
    def better(self) -> bool:
        """Whether most of the re-runs beat their reference beyond their intervals.

        A mean below the baseline's is no evidence by itself: the epoch was chosen on these rows.
        """
        beating = [rerun for rerun in self.reruns if rerun.verdict == comparison.BEATS]
        return 2 * len(beating) > len(self.reruns)


def importance(study: optuna.Study, seeds: int = IMPORTANCE_SEEDS) -> list[Importance]:
    """Of every dimension, the largest first; empty where too few trials are complete."""
    complete = _distinct(study)
    if len(complete) < MIN_TRIALS or len({trial.value for trial in complete}) < 2:
        return []
    shares: dict[str, list[float]] = {}
    for seed in range(seeds):
        evaluator = FanovaImportanceEvaluator(seed=seed)
        for name, share in get_param_importances(study, evaluator=evaluator).items():
            shares.setdefault(name, []).append(share)
    rows = [
        Importance(name, statistics.fmean(s), statistics.pstdev(s), min(s), max(s))
        for name, s in shares.items()
    ]
    return sorted(rows, key=lambda row: (-row.mean, row.name))


def top(study: optuna.Study, count: int) -> list[FrozenTrial]:
    """The best complete trials, duplicates left out."""
    return sorted(_distinct(study), key=lambda trial: (trial.value, trial.number))[:count]


def spread(study: optuna.Study) -> dict[str, dict[str, Any]]:
    """For each dimension the values that were tried, and those of the best quarter.

    Returns:
        {dimension: {"tried": [low, high], "best_quarter": [low, high]}}; empty before the first.
    """
    everything = top(study, len(study.trials))
    quarter = everything[: max(1, math.ceil(len(everything) / 4))]
    if not everything:
        return {}
    return {
        name: {
            key: [min(values), max(values)]
            for key, trials in (("tried", everything), ("best_quarter", quarter))
            if (values := [trial.params[name] for trial in trials])
        }
        for name in everything[0].params
    }


def rerun(
    study: optuna.Study,
    seeds: int,
    *,
    emit: Listener = lambda event: None,
    began: Callable[[int], None] = lambda seed: None,
) -> SelectionBias:
    """Train the winner with `seeds` other seeds; those that are done already are not done again.

    Raises:
        SearchError: no trial is complete, or the study is another version's.
        TrialInterrupted: a signal or overheating stopped a run; the same call resumes it.
        MlxtsError: see `experiment.run_experiment`.
    """
    worker_checks.require_code(study.user_attrs["code_version"])
    leader, configuration = winner(study)
    done = {rerun.seed: rerun for rerun in stored(study, leader)}
    for seed in range(configuration.seed + 1, configuration.seed + 1 + seeds):
        if seed in done:
            continue
        began(seed)
        seeded = configuration.model_copy(update={"seed": seed})
        plan = make_plan(seeded, data=train_validation_data.load(seeded).dataset)
        summary = experiment.run_experiment(plan, emit=emit, resume=True)
        if summary["status"] not in experiment.FINISHED:
            raise TrialInterrupted(summary["status"], summary["message"])
        scores = summary["scores"]["validation"]
        figure = comparison.primary(plan.dataset.task)
        done[seed] = Rerun(
            leader.number,
            seed,
            plan.run_id,
            summary["best_loss"],
            scores[NETWORK].get(figure),
            _best_baseline(scores, figure),
            scores[NETWORK].get("verdict"),
            comparison.reference(scores[NETWORK]),
        )
        study.set_user_attr(RERUNS, [asdict(rerun) for rerun in done.values()])
    return SelectionBias(leader.value or math.nan, tuple(done[seed] for seed in sorted(done)))


def stored(study: optuna.Study, leader: FrozenTrial) -> list[Rerun]:
    """The re-runs of this trial that are done."""
    records = [Rerun(**record) for record in study.user_attrs.get(RERUNS, [])]
    return [record for record in records if record.trial == leader.number]


def selection_bias(study: optuna.Study) -> SelectionBias | None:
    """From the re-runs that are done; None before the first."""
    leader = best(study)
    done = stored(study, leader) if leader else []
    return SelectionBias(leader.value or math.nan, tuple(done)) if leader and done else None


def _best_baseline(scores: dict[str, dict[str, Any]], figure: str) -> float | None:
    """The lowest loss of the simple models, the training rate alone among them."""
    losses = [figures.get(figure) for name, figures in scores.items() if name != NETWORK]
    losses.append(scores[NETWORK].get("log_loss_prior"))
    return min((loss for loss in losses if loss is not None), default=None)


def _distinct(study: optuna.Study) -> list[FrozenTrial]:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in complete if DUPLICATE not in trial.user_attrs]
