"""The table of runs: what each is and what it reached on validation.

Of thousands of runs few are new since the last listing. The rows of the others are read from a
file beside the folders; it is made again whenever the code of this table changes, and without it
nothing is lost.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from mlxts import code_version, files, json_files
from mlxts.errors import ConfigError, RunError, StorageError
from mlxts.evaluation import comparison
from mlxts.files import write_json
from mlxts.protocol import BASELINE
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.runs.index import run_folders
from mlxts.runs.predictions import NETWORK

Order = Literal["date", "run", "loss", "difference", "parameters"]
FILTERS = (
    "run_id", "name", "mode", "budget", "task", "symbol", "horizon", "seed", "status", "verdict",
    "reference",
)  # fmt: skip


def describe(folder: Path) -> dict[str, Any]:
    """One row of the table of runs; None where the run has not come that far.

    Raises:
        RunError: its run.json or summary.json is damaged.
    """
    run = RunFolder(folder)
    record = run.metadata()
    summary = run.summary(("status",)) if run.is_finished else {}
    return _columns(folder, record, summary)


def _columns(folder: Path, record: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    models = summary.get("scores", {}).get("validation", {})
    scores = models.get(NETWORK, {})
    settings = record.get("config", {})
    skill = scores.get("log_loss_skill", scores.get("mse_skill"))
    reference = comparison.reference(scores)
    over_har = skill if reference == BASELINE else None  # of before there was a linear one
    return {
        "run_id": record.get("run_id", folder.name),
        "started": record.get("started"),
        "name": settings.get("name"),
        "mode": settings.get("mode"),
        "budget": settings.get("budget"),
        "n_total": record.get("n_total"),
        "task": settings.get("task"),
        "symbol": settings.get("data", {}).get("score_on"),
        "horizon": settings.get("horizon"),
        "seed": settings.get("seed"),
        "status": summary.get("status", "unfinished"),
        "log_loss": scores.get("log_loss"),
        "rmse": scores.get("rmse"),  # of regression, which has no log loss and no AUC
        "auc": scores.get("auc"),
        # Model minus reference, in units of the loss: log loss, of a number RMSE.
        "difference": scores.get("log_loss_difference", scores.get("rmse_difference")),
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
        `train_seconds` and `samples_per_second`, both None where the run's steps slowed down
        (throttling that no sensor shows) and for an unfinished run; `wall_time_omitted` is the
        reason, or None.
    """
    thermal = summary.get("thermal", {})
    if thermal.get("step_time_drift"):
        reason = thermal.get("step_time_drift_reason") or "steps slowed down"
        return {"train_seconds": None, "samples_per_second": None, "wall_time_omitted": reason}
    return {
        "train_seconds": summary.get("train_seconds"),
        "samples_per_second": summary.get("samples_per_second"),
        "wall_time_omitted": None,
    }


class _Listing(json_files.Shape):
    """Attributes:
    code: of this table. rows: by run id its row, and the state of the files it was read from.
    """

    code: str
    rows: dict[str, tuple[list[list[int]], dict[str, Any]]]


def listing() -> list[dict[str, Any]]:
    """Every run under outputs/runs, sorted by run id; `damaged` names a damaged file."""
    code = code_version.of((__name__,))
    path = files.runs_folder() / layout.LISTING
    stored, current = _stored(path, code), {}
    for folder in run_folders():
        state = _state(folder)  # before it is read: what changes meanwhile is read again next time
        known = stored.get(folder.name)
        current[folder.name] = known if known and known[0] == state else [state, _row(folder)]
    whole = {name: entry for name, entry in current.items() if not entry[1]["damaged"]}
    if whole != stored:
        with suppress(StorageError):  # of a folder that cannot be written it is read every time
            write_json(path, {"code": code, "rows": whole})
    return [row for _, row in current.values()]


def _stored(path: Path, code: str) -> dict[str, list[Any]]:
    try:
        written = json_files.read(path, _Listing, error=RunError, remedy="")
    except RunError:
        return {}
    return written["rows"] if written["code"] == code else {}


def _state(folder: Path) -> list[list[int]]:
    """What changes whenever the files of a row do; of a missing file nothing."""
    state = []
    for name in (layout.METADATA, layout.SUMMARY):
        try:
            found = (folder / name).stat()
        except OSError:
            state.append([])
        else:
            state.append([found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns])
    return state


def arranged(
    rows: Iterable[dict[str, Any]],
    *,
    order: Order = "date",
    filters: Iterable[str] = (),
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Runs that pass every filter, sorted; what is not known comes last.

    Args:
        order: date: newest first; loss, difference, parameters: smallest first; run: by id.
        filters: each `KEY=PATTERN`, a key of `FILTERS` and a text with * and ?, in any case.
        limit: how many of them, at most.

    Raises:
        ConfigError: a filter of another form.
    """
    wanted = [_filter(text) for text in filters]
    passed = [row for row in rows if all(passes(row) for passes in wanted)]
    passed.sort(key=lambda row: row["run_id"])
    by: dict[str, Callable[[dict[str, Any]], Any]] = {
        "date": lambda row: row["started"],
        "loss": loss,
        "difference": lambda row: row["difference"],
        "parameters": lambda row: row["n_total"],
    }
    if order != "run":
        value = by[order]
        known = [row for row in passed if value(row) is not None]
        known.sort(key=value, reverse=order == "date")
        passed = known + [row for row in passed if value(row) is None]
    return passed[:limit]


def loss(row: dict[str, Any]) -> float | None:
    """The validation loss: log loss, of a number RMSE."""
    return row["log_loss"] if row["rmse"] is None else row["rmse"]


def _filter(text: str) -> Callable[[dict[str, Any]], bool]:
    key, separator, pattern = (part.strip() for part in text.partition("="))
    if not separator or key not in FILTERS:
        raise ConfigError(
            f"--filter {text}: write it as KEY=TEXT with one of {', '.join(FILTERS)}, e.g. "
            "--filter task=threshold_*"
        )
    return lambda row: fnmatchcase(str(row[key]).lower(), pattern.lower())


def _row(folder: Path) -> dict[str, Any]:
    try:
        return describe(folder)
    except RunError as error:
        unknown = _columns(folder, {}, {})
        return {**unknown, "status": "damaged", "damaged": str(error)}
