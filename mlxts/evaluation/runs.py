"""Finding run folders, and what they say about themselves."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlxts import files, run_files
from mlxts.errors import RunError
from mlxts.evaluation import comparison
from mlxts.protocol import BASELINE

MODEL = "patchtst"  # the name of the network among the models that are scored


def find(name: str) -> Path:
    """The folder of a run, named by its path, its run id or the beginning of one.

    Raises:
        RunError: no such run, or several.
    """
    for folder in (Path(name), files.runs_folder() / name) if name else ():
        if (folder / run_files.METADATA).is_file():
            return folder
    matches = [folder for folder in folders() if name and folder.name.startswith(name)]
    if not matches:
        raise RunError(
            f"no run {name or repr(name)} in {files.runs_folder()}; `mlxts runs` lists them"
        )
    if len(matches) > 1:
        found = ", ".join(folder.name for folder in matches)
        raise RunError(f"{name} could be any of {found}; give more of the run id")
    return matches[0]


def describe(folder: Path) -> dict[str, Any]:
    """One row of the table of runs; None where the run has not come that far.

    Raises:
        RunError: its run.json or summary.json is damaged.
    """
    record = run_files.metadata(folder)
    finished = run_files.is_finished(folder)
    summary = run_files.summary(folder, ("status",)) if finished else {}
    return _described(folder, record, summary)


def _described(folder: Path, record: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    models = summary.get("scores", {}).get("validation", {})
    scores = models.get(MODEL, {})
    settings = record.get("config", {})
    skill = scores.get("log_loss_skill", scores.get("mse_skill"))
    reference = comparison.reference(scores)
    over_har = skill if reference == BASELINE else None  # of before there was a linear one
    return {
        "run_id": record.get("run_id", folder.name),
        "name": settings.get("name"),
        "mode": settings.get("mode"),
        "budget": settings.get("budget"),
        "n_total": record.get("n_total"),
        "task": settings.get("task"),
        "horizon": settings.get("horizon"),
        "seed": settings.get("seed"),
        "status": summary.get("status", "unfinished"),
        "log_loss": scores.get("log_loss"),
        "rmse": scores.get("rmse"),  # of regression, which has no log loss and no AUC
        "auc": scores.get("auc"),
        "skill": skill,  # over the reference
        "skill_har": scores.get("log_loss_skill_har", scores.get("mse_skill_har", over_har)),
        "reference": reference,
        "verdict": comparison.today(scores.get("verdict")),
        **wall_time(summary),
        "damaged": None,
    }


def wall_time(summary: dict[str, Any]) -> dict[str, Any]:
    """How long training took, as far as it may be compared with other runs.

    Returns:
        `train_seconds` and `samples_per_second`, both None where the run's steps slowed down (heat
        that no sensor shows) and for an unfinished run; `wall_time_omitted` says why, or is None.
    """
    thermal = summary.get("thermal", {})
    if thermal.get("suspect"):
        reason = thermal.get("suspect_reason") or "steps slowed down"
        return {"train_seconds": None, "samples_per_second": None, "wall_time_omitted": reason}
    return {
        "train_seconds": summary.get("train_seconds"),
        "samples_per_second": summary.get("samples_per_second"),
        "wall_time_omitted": None,
    }


def listing() -> list[dict[str, Any]]:
    """Every run under outputs/runs, sorted by run id; one whose files are damaged says so."""
    return [_row(folder) for folder in folders()]


def folders() -> list[Path]:
    """Every run folder under outputs/runs, sorted by name; of a damaged one a file may be gone."""
    names = (run_files.METADATA, run_files.SUMMARY)
    return sorted({path.parent for name in names for path in files.runs_folder().glob(f"*/{name}")})


def whole(chosen: Iterable[Path]) -> tuple[list[Path], dict[str, str]]:
    """Those whose own files can be read, and by name why the others cannot."""
    found, damaged = [], {}
    for folder in chosen:
        why = run_files.damage(folder)
        if why is None:
            found.append(folder)
        else:
            damaged[folder.name] = why
    return found, damaged


def _row(folder: Path) -> dict[str, Any]:
    try:
        return describe(folder)
    except RunError as error:
        unknown = _described(folder, {}, {})
        return {**unknown, "status": "damaged", "damaged": str(error)}
