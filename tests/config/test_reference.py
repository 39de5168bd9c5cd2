"""Every key is explained, and a misspelt one leads to the one that was meant."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from mlxts.cli.app import app
from mlxts.config import reference
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.config.validation import keys
from mlxts.errors import ConfigError
from mlxts.search import space, sweep_config


def test_every_key_has_a_sentence_a_type_and_its_own_default() -> None:
    described = {row["key"]: row for row in reference.describe()}
    assert list(described) == [name for name, _ in keys(ExperimentConfig)]
    assert [name for name, row in described.items() if not row["description"]] == []
    assert described["model.depth"]["type"] == "whole number > 0, or null"
    assert described["training.learning_rate"]["type"] == "number > 0"
    assert described["data.train_fraction"]["type"] == "number > 0 and ≤ 1"
    assert described["tracking.trackers"]["type"] == "list of mlflow or wandb"
    assert described["data.symbols"]["default"] == "[SPY]"
    assert described["name"]["default"] is None


def test_what_strict_mode_allows_is_what_it_is_said_to_allow() -> None:
    """Of every key with a value that strict mode fixes, another value is refused."""
    fixed = {row["key"]: row["strict"] for row in reference.describe() if row["strict"]}
    assert len(fixed) == 24
    for key in fixed:
        with pytest.raises(ConfigError, match=r"in strict mode|horizon"):
            build_config({"name": "a", **_another(key)})


def _another(key: str) -> dict[str, Any]:
    """The mapping in which a key has a value that its type allows and strict mode does not."""
    values: dict[str, Any] = {
        "horizon": 4, "data.splits": "sample", "data.score_on": "QQQ",
        "data.walk_forward_window": 1, "features.source": "simulated", "model.norm": "batch",
        "model.residual_of": "har", "model.head": "mean", "training.stop_on": "panel",
        "data.train_fraction": 0.5, "data.train_symbols": ["SPY"], "training.ema_decay": 0.9,
        "model.dropout": 0.25, "model.head_dropout": 0.25,
        "training.learning_rate": 0.25, "data.rotate_labels_years": 2,
        "model.context": 96, "model.patch_length": 4, "model.stride": 4,
    }  # fmt: skip
    defaults = {row["key"]: row["default"] for row in reference.describe()}
    value = values.get(key, defaults[key] != "true")
    *sections, last = key.split(".")
    mapping: dict[str, Any] = {last: value}
    if key == "data.score_on":
        mapping["symbols"] = ["QQQ"]
    for section in reversed(sections):
        mapping = {section: mapping}
    return mapping


def test_a_section_or_a_key_can_be_asked_for() -> None:
    done = CliRunner().invoke(app, ["config", "describe", "model.revin", "--json"])
    named = [row["key"] for row in json.loads(done.stdout)["keys"]]
    assert named == [name for name, _ in keys(ExperimentConfig) if "revin" in name]
    assert [row["key"] for row in reference.describe("seed")] == ["seed"]
    with pytest.raises(ConfigError, match=r"no key model.dept; did you mean model.depth\?"):
        reference.describe("model.dept")
    with pytest.raises(ConfigError, match="no key qqq; `mlxts config describe` lists them"):
        reference.describe("qqq")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"buget": "2M"}, "unknown key buget; did you mean budget?"),
        ({"model": {"deph": 3}}, "unknown key model.deph; did you mean model.depth?"),
        ({"trainning": {}}, "unknown key trainning; did you mean training?"),
        ({"training": {"batchsize": 3}}, "did you mean training.batch_size?"),
        ({"batch_size": 3}, "unknown key batch_size; did you mean training.batch_size?"),
        ({"model": {"context_length": 3}}, "unknown key model.context_length; "),
        ({"zebra": 3}, "unknown key zebra; `mlxts config describe` lists the keys"),
    ],
)
def test_an_unknown_key_leads_to_the_one_that_was_meant(
    written: dict[str, Any], meant: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        build_config({"name": "a", **written})
    assert meant in str(refused.value)


def test_keys_of_sweeps_and_searches_are_meant_too() -> None:
    with pytest.raises(ConfigError, match=r"unknown key axis; did you mean axes\?"):
        sweep_config.build({"name": "a", "axis": {}})
    search = {"trails": 3, "space": {"depth": [2]}}
    with pytest.raises(ConfigError, match=r"search.trails; did you mean search.trials\?"):
        space.read(build_config({"name": "a", "search": search}))


def test_a_configuration_is_shown_with_its_defaults_and_overrides() -> None:
    arguments = ["config", "show", "configs/demo.yaml", "--set", "model.depth=6"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "  depth: 6\n" in done.stdout
    assert "  patch_length: 16\n" in done.stdout
    shown = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert shown["model"]["depth"] == 6
