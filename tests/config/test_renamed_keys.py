"""Keys of the last release are read under their names of today, with one warning."""

import warnings
from pathlib import Path
from typing import Any

import pytest

from mlxts.config import renamed_keys
from mlxts.config.loading import build_config, load_config, load_stored
from mlxts.config.yamltext import dump_yaml, overridden, parse_overrides
from mlxts.errors import ConfigError, FormerNameWarning
from mlxts.search import sweep_config

VALUES: dict[str, tuple[Any, Any]] = {  # by former key: a value, and what it is called today
    "data.origin": (2, 2),
    "data.label_shift_years": (1, 1),
    "data.pinned": ({"SPY": "a"}, {"SPY": "a"}),
    "model.offset": ("har", "har"),
    "tracking.to": (["mlflow"], ["mlflow"]),
    "features.source": ("planted", "simulated"),
}
BASE = {"name": "x", "mode": "exploratory"}


def _both(key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A configuration by the former name of a key, and by that of today."""
    before, now = VALUES[key]
    today = renamed_keys.KEYS.get(key, key)
    pairs = ((key, before), (today, now))
    (old, new) = (
        {**BASE, name.partition(".")[0]: {name.partition(".")[2]: value}} for name, value in pairs
    )
    return old, new


def test_every_renamed_key_and_value_is_tested_here() -> None:
    assert set(VALUES) == {*renamed_keys.KEYS, *renamed_keys.VALUES}


@pytest.mark.parametrize("key", VALUES)
def test_a_file_by_former_names_is_the_same_experiment_and_says_so_once(
    key: str, tmp_path: Path
) -> None:
    old, new = _both(key)
    path = tmp_path / "old.yaml"
    path.write_text(dump_yaml(old))
    with pytest.warns(FormerNameWarning, match=r"old\.yaml: .* is now .*") as told:
        loaded = load_config(path)
    assert len(told) == 1
    assert loaded == build_config(new)
    (tmp_path / "new.yaml").write_text(dump_yaml(new))
    assert load_config(tmp_path / "new.yaml") == loaded  # and no warning


@pytest.mark.parametrize("key", VALUES)
def test_what_a_run_stored_is_read_without_a_word(key: str, tmp_path: Path) -> None:
    old, new = _both(key)
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(old))
    assert load_stored(path) == build_config(old) == build_config(new)


@pytest.mark.parametrize("key", VALUES)
def test_set_takes_former_names_and_says_so(key: str) -> None:
    before, now = VALUES[key]
    today = renamed_keys.KEYS.get(key, key)
    with pytest.warns(FormerNameWarning, match=f"--set: {key}.* is now .*"):
        read = parse_overrides([f"{key}={before}".replace("'", "")])
    assert read == {today: now}
    assert parse_overrides([f"{today}={now}".replace("'", "")]) == read  # and no warning


@pytest.mark.parametrize("key", renamed_keys.KEYS)
def test_both_names_at_once_are_refused(key: str, tmp_path: Path) -> None:
    old, new = _both(key)
    section = key.partition(".")[0]
    both = {**old, section: {**old[section], **new[section]}}
    path = tmp_path / "both.yaml"
    path.write_text(dump_yaml(both))
    today = renamed_keys.KEYS[key]
    refused = f"{key} is the former name of {today}; give {today} alone"
    for read in (lambda: load_config(path), lambda: build_config(both)):
        with pytest.raises(ConfigError, match=refused):
            read()
    with pytest.raises(ConfigError, match=refused):
        parse_overrides([f"{key}=1", f"{today}=1"])


def test_an_override_by_either_name_beats_a_file_by_the_other(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text("{mode: exploratory, model: {offset: har}}")
    with pytest.warns(FormerNameWarning):
        assert load_config(path, {"model.residual_of": None}).model.residual_of is None
    new = {**BASE, "model": {"residual_of": "har"}}
    assert overridden(new, {"model.offset": None})["model"] == {"residual_of": None}


def test_a_sweep_by_former_names_has_the_points_of_one_by_those_of_today(tmp_path: Path) -> None:
    old = {
        "base": {"mode": "exploratory", "tracking": {"to": ["mlflow"]}},
        "axes": {"data.origin": [1, 2], "features.source": ["indicators", "planted"]},
    }
    path = tmp_path / "sweep.yaml"
    path.write_text(dump_yaml(old))
    with pytest.warns(FormerNameWarning) as told:
        swept = sweep_config.load(path)
    assert len(told) == 1
    assert list(swept.axes) == ["data.walk_forward_window", "features.source"]
    points = [point.config.data.walk_forward_window for point in swept.points()]
    assert points == [1, 1, 2, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stored = sweep_config.build({"name": "sweep", **old})  # as its study holds it
        hashes = [point.config.hash for point in stored.points()]
    assert hashes == [point.config.hash for point in swept.points()]
    path.write_text(
        dump_yaml({**old, "axes": {"data.origin": [1], "data.walk_forward_window": [2]}})
    )
    with pytest.raises(ConfigError, match=r"former name of data\.walk_forward_window"):
        sweep_config.load(path)


def test_the_hash_of_the_last_release_is_known_and_is_another() -> None:
    plain = build_config({"name": "x"})
    # Of `ExperimentConfig(name="x").hash` as version 0.1 computed it.
    assert plain.former_hash == "8e6e8bea83c828810bdef0fc98f08c1139a4bcf834cd1b07ab39eab0a45a8a96"
    assert plain.hash != plain.former_hash
    assert (
        build_config(_both("features.source")[0]).former_hash
        == "31905579b33f458df008c65bbefe7a1d809cb9ac99476d83b27e95475cb502ec"
    )
