"""The one list of sources, and those who read it."""

import re

import pytest

from mlxts.cli.data import Online
from mlxts.cli.quickstart import SourceName
from mlxts.config.loading import build_config
from mlxts.data import exogenous_catalog
from mlxts.data.sources import registry
from mlxts.data.sources.fred import FredSource
from mlxts.errors import ConfigError


@pytest.mark.parametrize("name", registry.SOURCES)
def test_a_source_is_called_as_it_calls_itself(name: str) -> None:
    if name == "files":
        pytest.skip("opened by `mlxts data import`, which knows the file")
    assert registry.open_source(name, tell=print).name == name


def test_the_waits_of_a_source_are_told() -> None:
    told: list[str] = []
    source = registry.open_source("fred", told.append)
    assert isinstance(source, FredSource)
    source._web.tell("waiting")
    assert told == ["waiting"]


def test_everything_that_reads_bars_by_default_or_values_is_listed() -> None:
    assert set(registry.AUTO) <= set(registry.SOURCES)
    assert {one.source for one in exogenous_catalog.SERIES.values()} <= set(registry.SOURCES)


def test_the_commands_offer_what_is_listed() -> None:
    assert set(Online) == {"sample", "yahoo", "fred", "cboe_vix", "sffed"}
    assert set(SourceName) == {"sample", "yahoo", "files"}


def test_a_configuration_takes_sources_of_bars_alone() -> None:
    for name in ("auto", "yahoo", "files", "sample", "simulated"):
        assert build_config({"name": "a", "data": {"source": name}}).data.source == name
    for name in ("fred", "web"):
        known = "auto, sample, yahoo, files, simulated"
        with pytest.raises(ConfigError, match=re.escape(f"data.source: {name} is none of {known}")):
            build_config({"name": "a", "data": {"source": name}})


@pytest.mark.parametrize(
    ("names", "commands"),
    [
        (registry.AUTO, ["data download QQQ", "data import FILE --symbol QQQ"]),
        (("sample",), ["data download --source sample QQQ"]),
        (("simulated",), ["data simulate sv --symbol QQQ"]),
        (
            ("fred", "files"),
            ["data download --source fred QQQ", "data import FILE --values --symbol QQQ"],
        ),
        (("a_source_of_before",), ["data download QQQ"]),
    ],
)
def test_what_is_missing_is_said_with_what_stores_it(
    names: tuple[str, ...], commands: list[str]
) -> None:
    assert re.findall("`mlxts (.*?)`", registry.advice("QQQ", names)) == commands
