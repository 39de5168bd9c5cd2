"""`mlxts features`: what each command says, writes, and refuses in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mlxts.cli.features import features
from mlxts.data import store
from mlxts.data.sources.sample import SampleSource
from mlxts.errors import ConfigError, DataError
from mlxts.features import tiers

SAMPLE = ("--source", "sample")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    fetched = SampleSource().fetch("SP500")
    store.register_raw(fetched.frame, source="sample", symbol="SP500", parameters={})
    return tmp_path


def _said(*arguments: str) -> str:
    result = CliRunner().invoke(features, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def _json(*arguments: str) -> dict[str, Any]:
    return json.loads(_said(*arguments, "--json"))


def test_build_registers_a_tier_once() -> None:
    first = _json("build", "SP500", *SAMPLE)
    second = _json("build", "SP500", *SAMPLE)
    assert (first["tier"], first["version"], first["rows"]) == (20, 1, 5031)
    assert first["rows_in_warmup"] == 80
    assert second["sha256"] == first["sha256"]
    assert len(store.processed_artifacts()) == 1
    assert "20 features x 5031 bars (80 in warm-up)" in _said("build", "SP500", *SAMPLE)


def test_list_filters_by_tier_family_and_relation() -> None:
    listed = _json("list", "--tier", "20")["features"]
    assert [row["feature"] for row in listed] == list(tiers.tier(20))
    listed = _json("list", "--family", "trend", "--relation", "duration")["features"]
    assert {(row["family"], row["relation"], row["unit"]) for row in listed} == {
        ("trend", "duration", "bars")
    }
    assert "close_run" in _said("list", "--tier", "20")


def test_describe_shows_formula_parts_and_distribution() -> None:
    told = _json("describe", "sma_20_distance_atr", "--symbol", "SP500", *SAMPLE)
    assert told["formula"] == "((close - sma_20) * per_atr_14)"
    assert told["columns"]["sma_20"] == "mean(close, 20)"
    assert (told["unit"], told["warmup"], told["tier"]) == ("ATR", 19, 20)
    assert told["distribution"]["bars"] == 5031 - 19
    text = _said("describe", "sma_20_distance_atr", "--symbol", "SP500", *SAMPLE)
    assert "atr_14 = ATR(high, low, close, timeperiod=14)" in text


def test_describe_needs_no_data() -> None:
    told = _json("describe", "close_run", "--symbol", "NONE", *SAMPLE)
    assert told["distribution"] is None
    assert told["unit"] == "bars"


def test_audit_finds_the_demo_bars_clean() -> None:
    found = _json("audit", "SP500", "--tier", "20", *SAMPLE)
    assert found["splits"] == "sample"
    assert found["order_is_of_this_catalog"] is True
    one = found["symbols"]["SP500"]
    assert one["ok"] is True
    assert len(one["shifts"]) == 20
    assert "look-ahead" in _said("audit", "SP500", "--tier", "20", *SAMPLE)


def test_plot_writes_a_picture(workspace: Path) -> None:
    told = _json("plot", "rsi_14_level", "--symbol", "SP500", *SAMPLE)
    path = Path(told["path"])
    assert path == workspace / "outputs" / "figures" / "SP500_rsi_14_level.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match=r"\.bmp: a figure is written as"):
        _said("plot", "rsi_14_level", "--symbol", "SP500", *SAMPLE, "--output", "x.bmp")


def test_docs_renders_the_catalog(workspace: Path) -> None:
    path = workspace / "catalog.md"
    _said("docs", "--output", str(path))
    assert path.read_text(encoding="utf-8").startswith("# Feature catalog")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("describe", "nonsense"), ConfigError, "no feature is named nonsense"),
        (("build", "SP500", "--tier", "21", *SAMPLE), ConfigError, "no tier of 21"),
        (("build", "NONE", *SAMPLE), DataError, "no data for NONE"),
        (("build", "SP500", "--source", "web"), ConfigError, "data.source"),
        (("audit", "SP500", *SAMPLE, "--splits", "mine"), ConfigError, "mine is none of"),
        (("build", "SP500", "--timescale", "yearly", *SAMPLE), ConfigError, "yearly is none of"),
        (("list", "--family", "mine"), ConfigError, "--family mine is none of"),
        (("list", "--relation", "mine"), ConfigError, "--relation mine is none of"),
        (("list", "--tier", "0"), ConfigError, "no tier of 0"),
        (("freeze", *SAMPLE), DataError, "no data for AAPL"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: tuple[str, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        _said(*arguments)
    assert "\n" not in str(raised.value)
