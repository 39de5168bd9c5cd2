"""All that is private in Optuna and used here, in one file: what an upgrade of Optuna may break.

pyproject.toml keeps Optuna below its next major version; a test finds any other private name.
"""

import copy

import optuna
from optuna.pruners import HyperbandPruner
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb.models import TrialHeartbeatModel
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

HeartbeatTable = TrialHeartbeatModel  # columns trial_id, heartbeat


def trial_id(trial: Trial | FrozenTrial) -> int:
    """What a storage calls a trial; its number counts within its study."""
    return trial._trial_id


def storage_of(study: Study) -> BaseStorage:
    return study._storage


def with_cache(storage: RDBStorage) -> BaseStorage:
    """The storage behind Optuna's cache, which reads finished trials once."""
    return _CachedStorage(storage)


def begin(study: Study, waiting: FrozenTrial) -> Trial | None:
    """Begin a certain waiting trial, as `Study.ask` begins the first; None: another one has."""
    study._thread_local.cached_all_trials = None
    try:
        ours = study._storage.set_trial_state_values(waiting._trial_id, state=TrialState.RUNNING)
    except optuna.exceptions.UpdateFinishedTrialError:
        return None
    return Trial(study, waiting._trial_id) if ours else None


class OrdinalBrackets(HyperbandPruner):
    """Hyperband whose brackets follow a user attribute in place of the trial's number.

    A failed trial was run again, or never ended: it competes with nobody.
    """

    def __init__(self, attribute: str, low: int, high: int, reduction_factor: int) -> None:
        super().__init__(min_resource=low, max_resource=high, reduction_factor=reduction_factor)
        self._attribute = attribute

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        if trial.state == TrialState.FAIL:
            return -1
        renumbered = copy.copy(trial)
        renumbered.number = trial.user_attrs.get(self._attribute, trial.number)
        return super()._get_bracket_id(study, renumbered)
