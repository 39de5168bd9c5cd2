"""The reference of configuration keys agrees with what a configuration accepts."""

import json

import pytest

from mlxts.config import reference
from mlxts.config.experiment import ExperimentConfig

KEYS = {key.name: key for key in reference.all_keys()}


def _leaves(values: dict, prefix: str = ""):
    for name, value in values.items():
        if isinstance(value, dict) and value and name not in ("artifact_sha256", "search"):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def test_keys_and_defaults_are_those_of_a_configuration_that_only_has_a_name() -> None:
    config = ExperimentConfig(name="x")
    held = dict(_leaves(config.model_dump(mode="json"))) | {"search": config.search}
    assert set(KEYS) == set(held)
    for name, key in KEYS.items():
        if key.default is not None and name != "horizon":  # horizon follows the timescale
            assert json.loads(key.default) == held[name], name


@pytest.mark.parametrize("name", KEYS)
def test_every_key_says_what_it_means_and_which_values_it_takes(name: str) -> None:
    assert KEYS[name].description and KEYS[name].values


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("mode", "`strict`, `exploratory`"),
        ("horizon", "whole number, > 0, or null"),
        ("data.symbols", "list of text"),
        ("model.dropout", "number, ≥ 0.0, < 1.0"),
        ("training.gradient_checkpointing", "true or false"),
    ],
)
def test_values_are_told_as_types_limits_and_choices(name: str, values: str) -> None:
    assert KEYS[name].values == values
