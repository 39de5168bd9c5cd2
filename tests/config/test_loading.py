"""Where a configuration is read from."""

from pathlib import Path

import pytest

from mlxts.config.loading import load_config
from mlxts.errors import ConfigError


def test_a_file_of_ones_own_comes_before_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no configuration at configs/own\.yaml"):
        load_config(Path("configs/own.yaml"))
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "demo.yaml").write_text("name: mine\n")
    assert load_config(Path("configs/demo.yaml")).name == "mine"
