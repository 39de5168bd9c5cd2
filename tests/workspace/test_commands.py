"""Commands in documents are parsed as the shell and `mlxts` would."""

from pathlib import Path

import pytest

from mlxts.cli.app import command_tree
from mlxts.workspace import commands

TREE = command_tree()
PROJECT = Path(__file__).parents[2]
TARGETS = commands.targets(PROJECT)


def _wrong(line: str) -> list[str]:
    found = (
        commands.wrong(words, project=PROJECT, tree=TREE, targets=TARGETS, whole=True)
        for words in commands.simple(line)
    )
    return [what for what in found if what]


@pytest.mark.parametrize(
    "line",
    [
        "mlxts train configs/demo.yaml --horizon 3 --set model.depth=6 --resume",
        "mlxts hpo configs/hpo/2M-daily-threshold_1pct.yaml --trials=3",
        "mlxts hpo CONFIG",
        "mlxts data download --source fred DGS10  # no key",
        "mlxts data simulate NAME --seed S",
        "mlxts hpo best STUDY --write configs/winner.yaml",
        "mlxts workspace handoff ws1 --summary 'a; b && c' --next 'x --y'",
        "MLX_RANK=0 nohup .venv/bin/mlxts runs --json > /dev/null 2>&1",
        "mlx.launch --hosts a,b -- mlxts train CONFIG --distributed",
        "git -C mlxts checkout COMMIT && make -C mlxts setup",
        "createdb mlxts --owner mlxts",
        "python benchmarks/throughput.py --quick",
        "mlxts -h; mlxts --version | cat",
    ],
)
def test_what_exists_is_accepted(line: str) -> None:
    assert _wrong(line) == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("mlxts trian x", "mlxts has no command trian"),
        ("mlxts data fetch SPY", "mlxts data has no command fetch"),
        ("mlxts train CONFIG --epochs 3", "mlxts train has no option --epochs"),
        ("mlxts hpo CONFIG --epochs 3", "mlxts hpo run has no option --epochs"),
        ("mlxts data download --source web SPY", "--source takes"),
        ("mlxts check everything", "takes"),
        ("mlxts runs everything", "mlxts runs takes no argument everything"),
        ("mlxts train configs/no.yaml", "there is no configs/no.yaml"),
        ("make tests", "make has no target tests"),
        ("true && caffeinate -is mlxts train CONFIG --no", "mlxts train has no option --no"),
        ("mlx.launch -n 2 -- mlxts train CONFIG --ranks 2", "mlxts train has no option --ranks"),
        ("mlxts train", "mlxts train needs CONFIG"),
        ("mlxts workspace handoff ws1", "mlxts workspace handoff needs --summary"),
        ("mlxts export RUN", "mlxts export needs --to"),
        ("mlxts train CONFIG --seed many", "mlxts train --seed takes a whole number, not many"),
        ("mlxts train CONFIG --stall-seconds x", "--stall-seconds takes a number, not x"),
        ("mlxts train CONFIG --task", "--task takes a value, not nothing"),
        ("python benchmarks/none.py", "there is no benchmarks/none.py"),
    ],
)
def test_what_does_not_exist_is_named(line: str, what: str) -> None:
    [found] = _wrong(line)
    assert what in found


def test_a_command_goes_on_over_a_line_that_ends_in_a_backslash() -> None:
    text = "# first\n$ mlxts train \\\n    CONFIG --resume\nmlxts runs"
    found = [(line, words) for line, words in commands.in_block(text) if words]
    assert found == [(1, ["mlxts", "train", "CONFIG", "--resume"]), (3, ["mlxts", "runs"])]


def test_what_prose_names_may_leave_out_what_a_command_needs() -> None:
    words = ["mlxts", "train", "--resume"]
    assert commands.wrong(words, project=PROJECT, tree=TREE, targets=TARGETS) is None


def test_every_command_of_a_span_is_looked_at() -> None:
    found = commands.in_span("make demo && mlxts trian x")
    assert found == [["make", "demo"], ["mlxts", "trian", "x"]]


@pytest.mark.parametrize("text", ["model.depth", "makeshift it", "mlxtsx a", 'mlxts "open'])
def test_a_span_that_is_no_command_is_left_alone(text: str) -> None:
    assert commands.in_span(text) == []
