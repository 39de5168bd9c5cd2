"""`train`, `batch-size` and `predict` as a person calls them."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from mlxts import files
from mlxts.cli.app import app
from mlxts.data import store
from mlxts.errors import ConfigError, MlxtsError
from tests import homes, processes


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return homes.simulated(tmp_path, monkeypatch)


def _call(*arguments: str):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def _tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_dry_run_shows_the_plan_and_writes_nothing(home: Path) -> None:
    before = _tree(home)
    said = json.loads(_call("train", "small.yaml", "--dry-run", "--json").stdout)
    assert _tree(home) == before
    assert said["n_total"] == said["n_body"] + said["n_embed"] + said["n_head"]
    assert said["n_total"] == pytest.approx(20_000, rel=0.01)
    assert set(said["samples"]) == {"train", "validation", "test"}
    for key in ("run_id", "flops_per_step", "seconds_per_step", "memory_bytes"):
        assert said[key]
    assert said["projected_seconds"] == pytest.approx(
        said["seconds_per_step"] * said["total_steps"]
    )
    shown = _call("train", "small.yaml", "--dry-run").stdout
    assert said["run_id"] in shown
    assert "Nothing was written" in shown
    assert _tree(home) == before


def test_the_plan_says_what_of_the_data_is_not_known_and_which_days_decide_nothing(
    home: Path,
) -> None:
    values = pl.DataFrame({"date": [date(2022, 6, 1), date(2025, 3, 28)], "value": [20.0, 30.0]})
    store.register_raw(values, source="files", symbol="VIX", parameters={})
    weekly = ("--set", "timescale=weekly", "--set", "horizon=5", "--set", "data.exogenous=[VIX]")
    said = json.loads(_call("train", "small.yaml", *weekly, "--dry-run", "--json").stdout)
    assert 0.0 < said["coverage"]["VIX"] < 1.0
    assert said["days_without_decision"] > 0
    shown = " ".join(_call("train", "small.yaml", *weekly, "--dry-run").stdout.split())
    assert f"VIX known on │ {said['coverage']['VIX']:.1%} of training days" in shown
    assert f"days without a decision │ {said['days_without_decision']:,}" in shown


def test_a_dry_run_refuses_a_sensor_that_training_would_refuse(home: Path) -> None:
    with pytest.raises(ConfigError, match="none of auto, off"):
        _call("train", "small.yaml", "--dry-run", "--thermal", "mercury")


def test_training_ends_in_a_table_and_one_sentence(home: Path) -> None:
    said = _call("train", "small.yaml")
    assert said.exit_code == 0
    assert "to beat: " in said.stdout
    assert "against HAR" in said.stdout
    (folder,) = files.runs_folder().iterdir()
    assert (folder / "picture.png").stat().st_size > 10_000
    again = json.loads(_call("train", "small.yaml", "--json").stdout)
    assert again["run_id"] == folder.name
    assert again["verdict"] in said.stdout


def test_a_sweep_is_tuned_like_its_experiments_and_not_trained_as_one(home: Path) -> None:
    Path("many.yaml").write_text("base: small.yaml\naxes:\n  seed: [0, 1]\n")
    tuned = json.loads(
        _call("batch-size", "many.yaml", "--set", "training.batch_size=16", "--json").stdout
    )
    assert (tuned["budget"], tuned["batch_size"]) == ("0.02M", 16)
    with pytest.raises(ConfigError, match="`mlxts sweep run many"):
        _call("train", "many.yaml")


def test_options_override_the_file(home: Path) -> None:
    said = json.loads(
        _call(
            "train", "small.yaml", "--task", "direction", "--horizon", "3", "--seed", "9",
            "--set", "training.max_epochs=1", "--dry-run", "--json",
        ).stdout
    )  # fmt: skip
    settings = said["config"]
    assert (settings["task"], settings["horizon"], settings["seed"]) == ("direction", 3, 9)
    assert settings["training"]["max_epochs"] == 1
    assert said["run_id"].startswith("0.02M-daily-direction-h3-s9-")


STRICT = ("train", "small.yaml", "--set", "mode=strict", "--budget", "2M")


@pytest.mark.parametrize("own", [(), ("--set", "training.micro_batch=8")])
def test_strict_training_wants_the_tuning_whatever_micro_batch_is_given(
    home: Path, own: tuple[str, ...]
) -> None:
    with pytest.raises(MlxtsError, match="was not tuned on this machine for 2M"):
        _call(*STRICT, *own)


def test_a_dry_run_needs_no_tuning_and_says_that_training_will(home: Path) -> None:
    dry = _call(*STRICT, "--dry-run")
    assert "micro-batch" in dry.stdout
    assert "training cannot start yet" in dry.stderr
    assert "mlxts batch-size CONFIG --budget 2M" in " ".join(dry.stderr.split())
    assert _call("train", "small.yaml", "--dry-run").stderr.count("training cannot start") == 0


def test_a_tuned_batch_size_is_used(home: Path) -> None:
    record = json.loads(
        _call("batch-size", "small.yaml", "--set", "training.batch_size=16", "--json").stdout
    )
    assert record["micro_batch"] in (16, 8, 4, 2)
    said = json.loads(
        _call(
            "train", "small.yaml", "--set", "training.batch_size=16", "--dry-run", "--json"
        ).stdout
    )
    assert said["micro_batch"] == record["micro_batch"]


def test_predicting_says_a_probability_in_words(home: Path) -> None:
    _call("train", "small.yaml", "--quiet")
    said = _call("predict", "0.02M").stdout
    assert ", next day: probability of " in " ".join(said.split())
    assert said.startswith("SPY, close of 2025-03-31")
    assert "probability of a high at least 1 % above the close" in said
    value = json.loads(_call("predict", "0.02M", "--json").stdout)["probability"]
    assert f"{value:.3f}" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "absent.yaml"], "no configuration at absent.yaml"),
        (["train", "small.yaml", "--set", "data.splits=sample"], "train split"),
        (["predict", "nothing"], "nothing is no run"),
        (["data", "import", "absent.csv"], "absent.csv"),
    ],
)
def test_a_mistake_is_one_line_on_standard_error_and_exit_code_2(
    home: Path, arguments: list[str], says: str
) -> None:
    done = processes.run(arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (home / "outputs").exists()


def test_help_does_not_load_what_only_commands_need() -> None:
    code = (
        "import sys; from mlxts.cli.app import app\n"
        "heavy = {'mlx.core', 'polars', 'numpy', 'optuna', 'matplotlib', 'scipy', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_explains_itself() -> None:
    listed = _call("--help").stdout
    for name in ("train", "predict", "batch-size", "evaluate", "baselines", "runs", "thermal"):
        assert name in listed
        assert _call(name, "--help").exit_code == 0
