"""Four answers make a configuration that is valid, and commands that exist."""

import itertools
import shlex
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlxts import protocol, quickstart
from mlxts.cli.app import command_tree
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config, load_config
from mlxts.data import store
from mlxts.data.sources import base, registry
from mlxts.errors import ConfigError
from mlxts.quickstart import Answers
from mlxts.simulation.source import SimulatedSource
from mlxts.workspace import commands
from tests import homes

GIVEN = {"sample": ("SP500",), "yahoo": ("SPY", "qqq"), "files": ("my data/spy.csv",)}
TREE = command_tree()


@pytest.mark.parametrize(
    ("source", "task", "budget"),
    list(itertools.product(registry.for_quickstart(), protocol.TASKS, ("0.02M", "2M", "200M"))),
)
def test_every_answer_makes_a_configuration_that_can_be_read_back(
    source: str, task: str, budget: str, tmp_path: Path
) -> None:
    output = tmp_path / "first.yaml"
    answers = Answers(source, GIVEN[source], task, budget, output)
    made = quickstart.configuration(answers)
    output.write_text(made.to_yaml())
    assert load_config(output) == made
    assert (made.mode, made.task, made.budget, made.name) == ("exploratory", task, budget, "first")
    assert made.data.score_on == made.data.symbols[0]
    assert made.data.splits == ("sample" if source == "sample" else "protocol")


def _stored(first: date, last: date, **columns: pl.Expr) -> ExperimentConfig:
    """A first experiment on a simulated market that is stored as a file of one's own."""
    bars = SimulatedSource("sv", first=first, last=last).fetch("X").frame.select(*base.BAR_SCHEMA)
    store.register_raw(
        bars.with_columns(**columns), source="files", symbol="X", parameters={"file": "x.csv"}
    )
    values = {**homes.SETTINGS, "data": {"source": "files", "symbols": ["X"], "score_on": "X"}}
    return build_config(values)


def test_data_of_other_years_get_splits_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    asked_for = _stored(date(1990, 1, 2), date(2001, 12, 31))
    fitted, notes = quickstart.fitted(asked_for)
    train, validation, test = fitted.data.splits.split("/")
    assert "1997" < train < "1999" < validation < "2001" < test == "2001-12-31"
    assert len(notes) == 1 and train in notes[0]
    assert fitted.features.volume
    later = _stored(date(2010, 1, 4), date(2025, 3, 31), volume=pl.lit(None, pl.Float64))
    fitted, notes = quickstart.fitted(later)
    assert fitted.data.splits == "protocol"
    assert not fitted.features.volume
    assert notes == ["without a volume there are no features of it (features.volume: false)"]


def test_an_experiment_goes_where_it_is_already_or_where_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = homes.SETTINGS
    for number, task in enumerate(("direction", "range"), 1):
        for _ in range(2):
            path, config = quickstart.place(build_config({**values, "task": task}), None)
            assert str(path) == ("quickstart.yaml" if number == 1 else "quickstart-2.yaml")
            assert config.name == path.stem
            path.write_text(config.to_yaml())
    Path("mine.yaml").write_text("mine")
    with pytest.raises(ConfigError, match="holds something else; choose another --output"):
        quickstart.place(build_config(values), Path("mine.yaml"))


@pytest.mark.parametrize("source", registry.for_quickstart())
def test_the_commands_that_go_on_from_it_exist(source: str, tmp_path: Path) -> None:
    answers = Answers(source, GIVEN[source], "direction", "2M", tmp_path / "a b.yaml")
    for line in (*quickstart.store_commands(answers), *quickstart.next_commands(answers)):
        words = shlex.split(line)
        wrong = commands.wrong(words, project=tmp_path, tree=TREE, targets=frozenset(), whole=True)
        assert wrong is None, line


def test_files_are_called_after_their_names() -> None:
    answers = Answers("files", ("x/spy.csv", "qqq.parquet"), "direction", "2M", Path("q.yaml"))
    assert quickstart.configuration(answers).data.symbols == ("SPY", "QQQ")


def test_a_file_that_names_its_symbol_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("date,symbol,open,high,low,close,volume\n2024-01-02,Spy,1,2,1,1.5,9\n")
    answers = Answers("files", (str(path),), "direction", "2M", Path("q.yaml"))
    assert quickstart.configuration(answers).data.symbols == ("SPY",)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [("SPY, QQQ", ("SPY", "QQQ")), ("SPY QQQ", ("SPY", "QQQ")), ("'a b.csv'", ("a b.csv",))],
)
def test_symbols_are_listed_as_people_list_them(text: str, symbols: tuple[str, ...]) -> None:
    assert quickstart.split(text) == symbols


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"task": "up"}, "task: up is none of"),
        ({"budget": "3M"}, "budget: 3M is none of"),
        ({"symbols": ()}, "name at least one"),
        ({"output": Path("a b.yaml")}, "name"),
    ],
)
def test_an_answer_that_cannot_be_is_one_line(changes: dict, says: str) -> None:
    values: dict[str, Any] = {
        "source": "sample",
        "symbols": ("SP500",),
        "task": "direction",
        "budget": "2M",
        "output": Path("q.yaml"),
    }
    with pytest.raises(ConfigError, match=says) as caught:
        quickstart.configuration(Answers(**(values | changes)))
    assert "\n" not in str(caught.value)
