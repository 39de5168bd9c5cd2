"""Run folders of before are read under the names of today."""

import json
from datetime import date
from pathlib import Path

import polars as pl

from mlxts.baselines.base_rate import BaseRateByVolatility
from mlxts.config import renamed_keys
from mlxts.config.loading import build_config
from mlxts.files import write_json
from mlxts.runs import predictions, upgrade
from mlxts.runs.folder import RunFolder

OLD = {
    "patchtst": {
        "impossible": False, "log_loss_over_bayes": 0.1,
        "interval": {"log_loss_over_bayes": [0.0, 0.2]},
    },
    "climatology": {"log_loss": 0.5},
}  # fmt: skip
NEW = {
    "patchtst": {
        "better_than_oracle": False, "excess_log_loss": 0.1,
        "interval": {"excess_log_loss": [0.0, 0.2]},
    },
    "base_rate_by_volatility": {"log_loss": 0.5},
}  # fmt: skip


def test_a_summary_of_before_has_the_keys_of_today(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_json(tmp_path / "summary.json", {"steps": 3, "scores": {"validation": OLD}})
    found = {"schema": 2, "steps": 3, "scores": {"validation": NEW}}
    assert run.summary(("scores.validation.patchtst.better_than_oracle",)) == found
    write_json(tmp_path / "summary.json", found)
    assert run.summary() == found


def test_a_run_marked_suspect_before_has_a_step_time_drift(tmp_path: Path) -> None:
    thermal = {"readings": 2, "suspect": True, "suspect_reason": "slow"}
    write_json(tmp_path / "summary.json", {"thermal": thermal})
    assert RunFolder(tmp_path).summary(("thermal.step_time_drift",))["thermal"] == {
        "readings": 2, "step_time_drift": True, "step_time_drift_reason": "slow",
    }  # fmt: skip


def test_the_metadata_of_before_have_the_keys_of_today(tmp_path: Path) -> None:
    values = {"name": "x", "mode": "exploratory", "data": {"walk_forward_window": 2}}
    config = build_config(values).model_dump(mode="json")
    written = {"run_id": "a", "config": renamed_keys.former(config)}
    assert written["config"]["data"]["origin"] == 2
    write_json(tmp_path / "run.json", written)
    (tmp_path / "config.yaml").write_text(json.dumps(written["config"]))
    run = RunFolder(tmp_path)
    assert run.metadata() == {"schema": 2, "run_id": "a", "config": config}
    assert run.is_walk_forward
    assert run.config() == build_config(values)
    assert run.damage() is None


def test_what_is_of_today_stays(tmp_path: Path) -> None:
    assert upgrade.scored({"validation": NEW}) == {"validation": NEW}


def test_predictions_of_before_have_the_models_of_today(tmp_path: Path) -> None:
    now = BaseRateByVolatility().name
    path = tmp_path / "predictions.parquet"
    rows = pl.DataFrame(
        {
            "model": ["patchtst", "climatology"],
            "date": [date(2024, 1, 2)] * 2,
            "symbol": ["SPY"] * 2,
            "split": ["validation"] * 2,
            "canonical": [True] * 2,
            "logit": [0.1, 0.2],
            "target": [1.0, 1.0],
        }
    )
    predictions.write(path, rows)
    assert RunFolder(tmp_path).predictions()["model"].to_list() == ["patchtst", now]
