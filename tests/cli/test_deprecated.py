"""Commands and options of the last release work once more, and say what they are called now."""

from pathlib import Path

import pytest

from mlxts.cli.app import command_tree
from mlxts.cli.deprecated import COMMANDS, OPTIONS, with_new_names
from mlxts.errors import ConfigError
from tests import processes

LINES = {  # of the last release, and of today
    "evaluate a.yaml --origins 6": "walk-forward a.yaml --windows 6",
    "evaluate a.yaml --origins=6 --json": "walk-forward a.yaml --windows=6 --json",
    "evaluate RUN --split test": "evaluate RUN --split test",
    "targets table --symbol SPY": "base-rates --symbol SPY",
    "track export A B --to mlflow": "export A B --to mlflow",
    "verify --json": "check --json",
    "data verify": "check data",
    "docs check": "check docs",
    "scaling verdict --split foreseen": "scaling verdict --split walk-forward",
    "scaling ledger --split=foreseen": "scaling ledger --split=walk-forward",
    "report --tuned seed --tuned=name": "report --ignore-setting seed --ignore-setting=name",
    "scaling fit --every-asset": "scaling fit --all-assets",
    "batch-size a.yaml --every-tier": "batch-size a.yaml --all-tiers",
    "worker --idle-exit 3 --grace 9": "worker --exit-when-idle 3 --heartbeat-timeout 9",
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_last_release_is_one_of_today_and_says_so(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    now = LINES[line].split()
    assert with_new_names(line.split()) == now
    notes = capsys.readouterr().err
    assert notes.count("the next release removes the former name") >= (line != LINES[line])
    assert with_new_names(now) == now
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("old", OPTIONS)
def test_both_names_of_an_option_at_once_are_refused(old: str) -> None:
    with pytest.raises(ConfigError, match=f"{old} is the former name of {OPTIONS[old]}"):
        with_new_names(["command", old, "1", OPTIONS[old], "2"])


def test_every_new_name_is_there_and_no_old_one() -> None:
    root = command_tree()
    for old, new in COMMANDS.items():
        assert new[0] in root.commands
        group = root.commands.get(old[0])
        assert group is None or old[-1] not in getattr(group, "commands", {})
    lines = Path(__file__).with_name("options.txt").read_text().split()
    assert set(OPTIONS.values()) <= set(lines)
    assert not set(OPTIONS) & set(lines)


def test_a_key_by_its_former_name_is_one_line_of_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("{mode: exploratory, data: {origin: 1, source: sample}}")
    line = "train old.yaml --dry-run --set tracking.to=[]"
    ended = processes.run(line.split(), cwd=tmp_path, env={"MLXTS_HOME": str(tmp_path)})
    told = [line for line in ended.stderr.splitlines() if " is now " in line]
    assert told == [
        "--set: tracking.to is now tracking.trackers; the next release removes the former name",
        "old.yaml: data.origin is now data.walk_forward_window; the next release removes the "
        "former name",
    ]
    assert "Warning" not in ended.stderr
