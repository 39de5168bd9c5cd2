"""Which runs a report is about: named one by one, by a prefix, a pattern, a sweep or a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxts import files, run_files
from mlxts.errors import RunError
from mlxts.evaluation import runs
from mlxts.scaling import ledger

_PATTERN = frozenset("*?[")


@dataclass(frozen=True)
class Picked:
    """Run folders, sorted by run id: those that came to their summary, and the others.

    Attributes:
        damaged: by name of a run whose own files cannot be read what is wrong with it.
    """

    finished: tuple[Path, ...]
    unfinished: tuple[Path, ...]
    damaged: Mapping[str, str]


def pick(names: Sequence[str], storage_url: str | None = None) -> Picked:
    """The runs that `names` stand for; without a name all runs of this workspace.

    A name is the folder of a run or of several, a run id or the beginning of one (all that begin
    so), a pattern with * ? [, a sweep's name, or that of a study or its beginning.

    Args:
        storage_url: where studies are looked up; None: this workspace's journal.

    Raises:
        RunError: a name that stands for nothing, or none of the runs is finished.
        SearchError: the storage cannot be opened.
    """
    chosen = (
        {folder.resolve(): folder for name in names for folder in _named(name, storage_url)}
        if names
        else {folder.resolve(): folder for folder in _runs(files.runs_folder(), "*")}
    )
    folders, damaged = runs.whole(sorted(chosen.values(), key=lambda folder: folder.name))
    finished = tuple(ledger.finished(folders))
    if not finished:
        if damaged:
            raise RunError(next(iter(damaged.values())))
        raise RunError(
            "none of these runs is finished; `mlxts train` or `mlxts sweep run` makes some, "
            "`mlxts runs` lists them"
        )
    unfinished = tuple(folder for folder in folders if folder not in finished)
    return Picked(finished, unfinished, damaged)


def _named(name: str, storage_url: str | None) -> list[Path]:
    if not name:
        raise RunError("'' names no run; leave it out for all finished runs")
    path = Path(name)
    if (path / run_files.METADATA).is_file():
        return [path]
    pattern = name if _PATTERN & set(name) else f"{name}*"
    found = _runs(files.runs_folder(), pattern) or _runs(Path(), pattern)
    if not found and path.is_dir():
        found = _runs(path, "*")
    found = found or _of_study(name, storage_url)
    if not found:
        raise RunError(
            f"{name} is no run, no folder of runs and no study with a run here; `mlxts runs`, "
            "`mlxts sweep status` and `mlxts hpo list` say what there is"
        )
    return found


def _runs(folder: Path, pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_absolute():
        folder, path = Path(path.anchor), path.relative_to(path.anchor)
    try:
        return sorted(found.parent for found in folder.glob(f"{path}/{run_files.METADATA}"))
    except ValueError as error:
        raise RunError(f"{pattern} is no pattern of names: {error}") from error


def _of_study(name: str, storage_url: str | None) -> list[Path]:
    ids = {
        trial.user_attrs.get("run_id")
        for study in studies(storage_url)
        if study.study_name.startswith(name) or study.user_attrs["config"]["name"] == name
        for trial in study.trials
    }
    folders = (files.runs_folder() / run_id for run_id in sorted(ids - {None}))
    return [folder for folder in folders if (folder / run_files.METADATA).is_file()]


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
