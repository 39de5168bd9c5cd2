"""What every source of data promises (`mlxts.data.sources.base.Source`)."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from mlxts.data import checks, store
from mlxts.data.sources.base import (
    BAR_SCHEMA,
    ORACLE_PREFIX,
    PLANTED,
    VALUE_SCHEMA,
    Source,
    is_bars,
)
from mlxts.errors import SourceError


class SourceSuite:
    """Subclass it as `TestNAME` and override `given`."""

    @pytest.fixture
    def given(self) -> tuple[Source, str]:
        """A source and a symbol of it that has 50 rows or more; nothing may reach the network."""
        raise NotImplementedError

    def test_the_schema_is_that_of_bars_or_of_values(self, given: tuple[Source, str]) -> None:
        source, symbol = given
        frame = source.fetch(symbol).frame
        schema = dict(BAR_SCHEMA if is_bars(frame) else VALUE_SCHEMA)
        extra_prefixes = (ORACLE_PREFIX, PLANTED)
        extra = {
            name: kind for name, kind in frame.schema.items() if name.startswith(extra_prefixes)
        }
        assert dict(frame.schema) == schema | extra
        assert list(frame.columns)[: len(schema)] == list(schema)

    def test_what_is_delivered_passes_every_check(self, given: tuple[Source, str]) -> None:
        source, symbol = given
        assert checks.check(source.fetch(symbol).frame) == ()

    def test_both_bounds_are_included_and_nothing_else_changes(
        self, given: tuple[Source, str]
    ) -> None:
        source, symbol = given
        whole = source.fetch(symbol).frame
        first, last = whole["date"][20], whole["date"][-20]
        assert_frame_equal(source.fetch(symbol, first, last).frame, whole[20:-19])
        assert_frame_equal(source.fetch(symbol, end=last).frame, whole[:-19])
        between = first - timedelta(days=1)  # bounds need be no sessions
        assert source.fetch(symbol, between).frame["date"][0] >= between

    def test_an_empty_range_is_an_error_of_one_line(self, given: tuple[Source, str]) -> None:
        source, symbol = given
        with pytest.raises(SourceError) as caught:
            source.fetch(symbol, date(1901, 1, 1), date(1901, 2, 1))
        assert "\n" not in str(caught.value)

    def test_the_same_request_gives_the_same_answer(self, given: tuple[Source, str]) -> None:
        source, symbol = given
        first, second = source.fetch(symbol), source.fetch(symbol)
        assert_frame_equal(first.frame, second.frame)
        assert first.parameters == second.parameters

    def test_parameters_survive_the_manifest(
        self, given: tuple[Source, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, symbol = given
        monkeypatch.setenv("MLXTS_HOME", str(tmp_path / "workspace"))
        (tmp_path / "workspace").mkdir()
        fetched = source.fetch(symbol)
        artifact = store.register_raw(
            fetched.frame, source=source.name, symbol=symbol, parameters=fetched.parameters
        )
        assert store.raw_artifacts() == [artifact]
        assert artifact.parameters == json.loads(json.dumps(fetched.parameters))
        assert_frame_equal(store.load(artifact), fetched.frame)
