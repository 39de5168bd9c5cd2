"""A workspace with planted runs: two budgets and two histories, a rare event, a return."""

import json
from pathlib import Path

from mlxts import files
from mlxts.config.loading import build_config
from mlxts.dataset.build import build_dataset
from mlxts.evaluation import score
from mlxts.runs.folder import RunFolder
from mlxts.runs.scored_task import ScoredTask
from tests import homes
from tests.scaling import worlds

BLURS = {"0.02M": 1.2, "0.06M": 0.3}


def fill() -> list[Path]:
    """Plant the runs in the current workspace, which holds simulated bars. Returns run folders."""
    folders = worlds.ladder(BLURS)
    half = {"data": homes.SETTINGS["data"] | {"train_fraction": 0.5}}
    folders += worlds.ladder({name: blur + 0.3 for name, blur in BLURS.items()}, overrides=half)
    for task, blur in (("threshold_5pct", 0.5), ("regression", 0.001)):
        folders += worlds.ladder({"0.02M": blur}, seeds=1, overrides={"task": task})
    worlds.change(
        folders[0],
        "summary.json",
        thermal={"step_time_drift": True, "step_time_drift_reason": "slow"},
    )
    give_scores(folders[0])
    return folders


def give_scores(folder: Path) -> None:
    """What the evaluator says of a run, into its summary."""
    asked = ScoredTask.of(read(folder, "run.json")["config"])
    reference = RunFolder(folder).references()[asked.score_on]
    rows = RunFolder(folder).predictions()
    scores = score.score_run(rows, reference, asked)
    worlds.change(folder, "summary.json", scores=scores, reference=reference.to_dict())


def unfinished() -> Path:
    """A run that was begun and has no summary."""
    settings = homes.SETTINGS | {"budget": "0.2M"}
    configuration = build_config(settings)
    folder = worlds.run_folder(build_dataset(configuration), configuration, 1.0)
    (folder / "summary.json").unlink()
    return folder


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def runs_of(folders: list[Path]) -> list[str]:
    return sorted(folder.name for folder in folders)


def look(run: str) -> None:
    """A line in the ledger of looks, as if somebody had opened the test split."""
    path = files.outputs_folder() / "results" / "test_looks.jsonl"
    line = {"who": "somebody", "when": "2026-02-01T00:00:00+00:00", "run": run, "score_on": "SPY"}
    files.write_text(path, json.dumps(line) + "\n")
