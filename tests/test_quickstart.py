"""Four answers make a configuration that is valid, and commands that exist."""

import itertools
import shlex
from pathlib import Path
from typing import Any

import pytest

from mlxts import protocol, quickstart
from mlxts.cli.app import command_tree
from mlxts.config.loading import load_config
from mlxts.data.sources import registry
from mlxts.errors import ConfigError
from mlxts.quickstart import Answers
from mlxts.workspace import commands

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
