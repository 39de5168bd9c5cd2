"""The studies and sweeps of a storage, and the runs that their trials made."""

from collections.abc import Sequence
from typing import Any

from mlxts.runs.index import Studies


def finder(storage_url: str | None = None) -> Studies:
    """Looks up the runs of a sweep or study by its name (of a study the beginning is enough).

    Args:
        storage_url: None: this workspace's journal.
    """

    def run_ids(name: str) -> Sequence[str]:
        run_ids_of_study = {
            trial.user_attrs.get("run_id")
            for study in studies(storage_url)
            if study.study_name.startswith(name) or study.user_attrs["config"]["name"] == name
            for trial in study.trials
        }
        return sorted(run_ids_of_study - {None})

    return run_ids


def studies(storage_url: str | None = None) -> list[Any]:
    """All studies of a storage, oldest first; none where this workspace has no journal yet.

    Returns:
        `optuna.Study` each: study_name, user_attrs, trials.
    """
    from mlxts.search import storage

    if storage_url is None and not storage.journal_path().exists():
        return []
    import optuna

    store = storage.open(storage_url)
    try:
        return [
            optuna.load_study(study_name=name, storage=store) for name in storage.study_names(store)
        ]
    finally:
        storage.close(store)
