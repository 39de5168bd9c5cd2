"""Samplers and pruners whose choices depend on the study alone, not on the process.

A trial has an *ordinal*: how many suggestions came before it. A trial that is run again (its
worker died, or was interrupted) is the same suggestion and keeps its ordinal. Every random draw
comes from a generator seeded by (study, seed, ordinal), so that a study that was killed any number
of times goes on as if it had not been, and no two workers ever draw from the same stream.
"""

from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from mlxts.files import canonical_hash
from mlxts.search.job_queue import ORIGIN
from mlxts.search.optuna_internals import OrdinalBrackets, storage_of, trial_id
from mlxts.search.space import SearchConfig

ORDINAL = "ordinal"  # user attribute of a trial
SURPLUS = "surplus"  # user attribute of a trial beyond the requested number
MEDIAN_STARTUP = 5  # complete trials before the median counts


def make_sampler(search: SearchConfig) -> BaseSampler:
    return Sampler(search.sampler, search.seed, search.startup_trials)


def make_pruner(search: SearchConfig, max_epochs: int) -> BasePruner:
    """Prunes on what is reported after each epoch, counted from 1."""
    if search.pruner == "none":
        return NopPruner()
    if search.pruner == "median":
        return MedianPruner(n_startup_trials=MEDIAN_STARTUP, n_warmup_steps=search.min_epochs)
    return Hyperband(min(search.min_epochs, max_epochs), max_epochs, search.reduction_factor)


def ordinal(study: Study, trial: FrozenTrial) -> int:
    """How many suggestions came before this one."""
    if ORDINAL in trial.user_attrs:
        return trial.user_attrs[ORDINAL]
    first = trial.system_attrs.get(ORIGIN, trial.number)
    return sum(trial.number < first for trial in suggestions(study))


def suggestions(study: Study) -> list[FrozenTrial]:
    """The trials without those that are run again and those that were too many."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if ORIGIN not in trial.system_attrs and SURPLUS not in trial.user_attrs
    ]


class Sampler(BaseSampler):
    """TPE or random search with a fresh generator for every trial.

    Independent draws are seeded by the parameter's name too: which ones a trial has left to draw
    depends on when it was interrupted.
    """

    def __init__(self, kind: str, seed: int, startup_trials: int) -> None:
        self._kind, self._seed, self._startup_trials = kind, seed, startup_trials

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        number = ordinal(study, trial)
        trial.user_attrs[ORDINAL] = number
        storage_of(study).set_trial_user_attr(trial_id(trial), ORDINAL, number)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, int | float]:
        return self._sampler(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> int | float:
        sampler = self._sampler(study, trial, param_name)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _sampler(self, study: Study, trial: FrozenTrial, name: str = "") -> BaseSampler:
        identity = [study.study_name, self._seed, ordinal(study, trial), name]
        seed = int(canonical_hash(identity)[:8], 16)
        if self._kind == "random":
            return RandomSampler(seed=seed)
        return TPESampler(n_startup_trials=self._startup_trials, seed=seed)


class Hyperband(BasePruner):
    """Optuna's Hyperband, with brackets that follow the ordinal.

    It is wrapped by this class because Optuna would otherwise show the
    sampler one bracket's trials only, a third of them, and that only once something was pruned.
    """

    def __init__(self, min_epochs: int, max_epochs: int, reduction_factor: int) -> None:
        self.brackets = OrdinalBrackets(ORDINAL, min_epochs, max_epochs, reduction_factor)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        return self.brackets.prune(study, trial)
