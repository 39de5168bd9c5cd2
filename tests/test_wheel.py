"""The wheel alone is all there is to install: in an environment outside the repository, in an empty
folder and without a network, every command of a first day works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

import mlxts

REPOSITORY = Path(__file__).parents[1]
SMALL = {
    "mode": "exploratory",
    "budget": "0.02M",
    "task": "direction",
    "data": {
        "source": "sample",
        "symbols": ["SP500"],
        "score_on": "SP500",
        "splits": "sample",
        "train_fraction": 0.25,
    },
    "training": {"max_epochs": 1, "validations_per_epoch": 1, "batch_size": 256},
    "thermal": {"sensor": "off"},
}
SEARCH = {"trials": 2, "pruner": "none", "space": {"weight_decay": {"low": 0.1, "high": 0.2}}}
CONFIGURATIONS = {
    "first.yaml": SMALL,
    "hpo.yaml": {**SMALL, "search": SEARCH},
    "sweep.yaml": {"base": SMALL, "axes": {"budget": ["0.02M", "0.06M"]}},
}
QUICKSTART = "quickstart --source sample --symbols SP500 --task direction --budget 0.02M --no-train"
# What each command's output has to hold.
COMMANDS = {
    QUICKSTART: "mlxts train quickstart.yaml",
    "init made": "mlxts demo",
    "train made/configs/demo.yaml --dry-run": "GFLOP a step",
    "train first.yaml --quiet": "patchtst",
    "train configs/demo.yaml --dry-run": "GFLOP a step",  # it is in the wheel
    "evaluate 0.02M": "patchtst",
    "hpo hpo.yaml": "weight_decay",
    "sweep run sweep.yaml --quiet": "2 done.",
    "scaling verdict --draws 50": "along parameters",
    "report": "report.html",
    "data cell Cb": "missing: SPY, DIA, QQQ, SFFED_NEWS_SENTIMENT",
}
# In one process: to start one for each command takes longer than what they do.
CALL_ALL = """
import json, sys
from typer.testing import CliRunner
import mlxts
from mlxts.cli.app import app
outputs = {}
for command in json.load(sys.stdin):
    done = CliRunner().invoke(app, command.split(), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    outputs[command] = done.output
print(json.dumps([mlxts.__file__, outputs]))
"""


def _install(folder: Path) -> Path:
    """The `bin` of an environment with the wheel and, of this one, every package but mlxts."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    made = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(made / "bin" / "python"), "install"]
    offline = ["--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, *offline, str(wheel)], check=True)
    (packages,) = made.glob("lib/python*/site-packages")
    # A .pth adds a folder and does not follow the .pth in it that leads to the repository.
    (packages / "of_the_tests.pth").write_text(f"{Path(yaml.__file__).parents[1]}\n")
    for library in Path(sys.prefix, "lib").glob("lib*.so*"):  # MKL's wheel puts them there
        (made / "lib" / library.name).symlink_to(library)
    return made / "bin"


def test_the_wheel_alone_does_what_a_first_day_needs(tmp_path: Path) -> None:
    programs = _install(tmp_path)
    folder = tmp_path / "empty"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    nowhere = "http://127.0.0.1:9"
    environment |= {"HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "MLXTS_HOME": str(folder)}

    def run(program: str, *arguments: str, text: str = "") -> str:
        done = subprocess.run(
            [str(programs / program), *arguments],
            cwd=folder, env=environment, input=text, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for name, content in CONFIGURATIONS.items():
        (folder / name).write_text(yaml.safe_dump(content))
    said = run("python", "-c", CALL_ALL, text=json.dumps(list(COMMANDS)))
    assert run("mlxts", "--version").strip() == mlxts.__version__
    module, outputs = json.loads(said.splitlines()[-1])
    assert Path(module).is_relative_to(programs.parent)
    for command, expected in COMMANDS.items():
        assert expected in " ".join(outputs[command].split()), command
