"""What holds for the options of every command, found by walking the command line."""

from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.bad.arguments import RIGHT
from mlxts.cli.app import app, command_tree


def _commands(command: Any, words: tuple[str, ...] = ()) -> list[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        return [(" ".join(words), command)]
    return [found for name, one in inner.items() for found in _commands(one, (*words, name))]


FLOATS = [
    (name, parameter.opts[-1])
    for name, command in _commands(command_tree())
    for parameter in command.params
    if parameter.type_descriptor.annotation is float
]


def test_the_options_that_are_no_whole_numbers_are_found() -> None:
    assert len(FLOATS) >= 3


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "-1", "abc", "9e99"])
@pytest.mark.parametrize(("name", "option"), FLOATS)
def test_a_number_that_none_can_mean_is_refused(name: str, option: str, value: str) -> None:
    ended = CliRunner().invoke(app, [*name.split(), *RIGHT[name], f"{option}={value}"])
    assert ended.exit_code == 2
    assert f"Invalid value for '{option}'" in ended.output
    assert value in ended.output
