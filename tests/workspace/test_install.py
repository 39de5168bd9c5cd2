"""Making .venv: with an interpreter that runs, once, and one at a time."""

import ast
import os
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mlxts.platform import wheels
from mlxts.workspace import install

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "mlxts" / "workspace" / "install.py"
PROJECT = """[project]
name = "p"

[project.optional-dependencies]
cuda = ["a"]
postgres = [
  "b",
]

[tool.x]
y = 1
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder whose Python is this one; its kernels are left as they are."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "constraints.txt").touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(install, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(install, "STAMP", tmp_path / ".venv" / "installed.sha256")
    monkeypatch.setattr(install, "CHOSEN", tmp_path / ".venv" / "extras")
    monkeypatch.setattr(install, "warm", lambda: None)
    monkeypatch.delenv("PYTHON", raising=False)
    return tmp_path


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is run to install, instead of running it; no uv is there."""
    told: list[list[str]] = []
    monkeypatch.setattr(install, "CANDIDATES", (sys.executable,))
    monkeypatch.setattr(install, "run", lambda *command: told.append(list(command)))
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "uv" else which(name))
    return told


def _extras(command: list[str]) -> list[str]:
    """Of `... --editable .[a,b]`."""
    return command[-1].removeprefix(".[").removesuffix("]").split(",")


def _pretending(folder: Path, name: str, lie: str) -> None:
    """This interpreter under a name, after a line of Python that changes what it is."""
    _program(
        folder, name, f"exec {sys.executable} -c 'import sys; {lie}; exec(sys.argv[1])' \"$2\""
    )


def test_an_interpreter_that_is_on_path_but_does_not_run_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHON", raising=False)
    _program(tmp_path, "python3.12", "exit 127")
    _program(tmp_path, "python3.13", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert install.find_interpreter(needs_pip=True) == "python3.13"


@pytest.mark.parametrize(
    ("lie", "without_uv", "with_uv"),
    [
        ("sys.version_info = (3, 11, 4)", None, None),
        ("sys.version_info = (3, 11, 5)", "python3.11", "python3.11"),
        ('sys.modules["ensurepip"] = None', None, "python3.11"),  # Debian's
    ],
    ids=["too old", "just new enough", "without pip"],
)
def test_an_interpreter_has_what_the_installer_needs_of_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lie: str,
    without_uv: str | None,
    with_uv: str | None,
) -> None:
    _pretending(tmp_path, "python3.11", lie)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PYTHON", raising=False)
    assert install.find_interpreter(needs_pip=True) == without_uv
    assert install.find_interpreter(needs_pip=False) == with_uv


def test_the_oldest_python_is_the_one_that_the_project_states() -> None:
    stated = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert stated["requires-python"] == ">=" + ".".join(map(str, install.OLDEST))


def test_without_any_interpreter_there_is_an_error_that_says_what_to_install(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(install.SetupError, match=r"no Python 3\.11\.5 or newer .* or uv"):
        install.main([])


def test_the_interpreter_that_is_named_is_taken_or_refused(
    project: Path, commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path, "python3.99", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHON", "python3.99")
    assert install.main([]) == 0
    assert commands[0][0] == "python3.99"
    (project / "constraints.txt").write_text("another version")
    _program(tmp_path, "python3.99", "exit 1")
    with pytest.raises(
        install.SetupError, match=r"PYTHON=python3\.99 is no Python 3\.11\.5 or newer"
    ):
        install.main([])


def test_uv_fetches_a_python_where_none_is_there(
    project: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/uv" if name == "uv" else None)
    assert install.main([]) == 0
    made, installed = commands
    assert made[made.index("--python") + 1] == "3.12"
    assert installed[:3] == ["/bin/uv", "pip", "install"]


def test_uv_takes_a_python_that_could_not_make_pip_itself(
    project: Path, commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path, "uv", "exit 0")
    _pretending(tmp_path, "python3.11", 'sys.modules["ensurepip"] = None')
    monkeypatch.setattr(install, "CANDIDATES", ("python3.11",))
    here = {name: str(tmp_path / name) for name in ("uv", "python3.11")}
    monkeypatch.setattr(shutil, "which", here.get)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.main([]) == 0
    assert commands[0][commands[0].index("--python") + 1] == "python3.11"


def test_an_environment_that_uv_makes_has_pip_too(project: Path, commands: list[list[str]]) -> None:
    install.install("uv", "3.12", [])
    assert "--seed" in commands[0]


def test_a_second_setup_installs_nothing_until_something_changes(
    project: Path, commands: list[list[str]]
) -> None:
    assert install.main([]) == install.main([]) == 0
    assert len(commands) == 2
    (project / "constraints.txt").write_text("another version")
    assert install.main([]) == 0
    assert len(commands) == 4


def test_extras_stay_until_others_are_asked_for(project: Path, commands: list[list[str]]) -> None:
    install.main(["cuda, Postgres"])
    assert _extras(commands[-1]) == ["dev", "cuda", "postgres"]
    install.main([])
    install.main(["postgres cuda"])
    assert len(commands) == 2
    (project / "constraints.txt").write_text("another version")
    install.main([])
    assert _extras(commands[-1]) == ["dev", "cuda", "postgres"]
    install.main([""])
    assert _extras(commands[-1]) == ["cpu", "dev"]
    count = len(commands)
    install.main([])
    assert len(commands) == count


def test_extras_stay_when_an_install_fails_half_way(
    project: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_to_install(*command: str) -> None:
        if "pip" in command:
            raise subprocess.CalledProcessError(1, command)
        shutil.rmtree(project / ".venv")
        (project / ".venv").mkdir()

    with monkeypatch.context() as patch:
        patch.setattr(install, "run", fail_to_install)
        with pytest.raises(subprocess.CalledProcessError):
            install.main(["postgres"])
    install.main([])
    assert _extras(commands[-1]) == ["cpu", "dev", "postgres"]


def test_an_extra_that_is_unknown_changes_nothing(project: Path, commands: list[list[str]]) -> None:
    with pytest.raises(install.SetupError, match="no gpu; choose of cuda, postgres"):
        install.main(["gpu,postgres"])
    assert commands == []


def test_the_extras_of_the_project_are_read_without_a_toml_reader() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    stated = tomllib.loads(text)["project"]["optional-dependencies"]
    assert install.extras_of(text) == list(stated)


def _installed_with(extras: set[str], system: str) -> set[str]:
    """Names of all that the project, with these extras, brings on a system (PEP 508 and 685)."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    waiting = [*project["dependencies"], *(text for name in extras for text in optional[name])]
    marks = {"platform_system": system, "sys_platform": system.lower()}
    names: set[str] = set()
    while waiting:
        wanted = Requirement(waiting.pop())
        if wanted.marker and not wanted.marker.evaluate({**marks, "extra": ""}):
            continue
        if wanted.name == project["name"]:
            waiting += [text for name in wanted.extras for text in optional[name]]
            continue
        names.add(wanted.name)
        try:
            further = requires(wanted.name) or []
        except PackageNotFoundError:  # not installed here: what it brings is not known
            continue
        for text in further:
            one = Requirement(text)
            asked = wanted.extras or {""}
            if one.marker and any(one.marker.evaluate({**marks, "extra": e}) for e in asked):
                one.marker = None
                waiting.append(str(one))
    return names


@pytest.mark.parametrize(
    ("extras", "system", "backends"),
    [
        ([], "Linux", {"mlx-cpu"}),
        (["postgres"], "Linux", {"mlx-cpu"}),
        (["cuda"], "Linux", {"mlx-cuda-13"}),
        (["cuda", "postgres"], "Linux", {"mlx-cuda-13"}),
        ([], "Darwin", set()),
    ],
    ids=str,
)
def test_one_wheel_alone_brings_the_library_that_computes(
    project: Path, commands: list[list[str]], extras: list[str], system: str, backends: set[str]
) -> None:
    install.install(None, "python3", extras)
    brought = _installed_with(set(_extras(commands[-1])), system)
    assert brought & set(wheels.BACKENDS) == backends
    assert ("mlx-metal" in brought) == (system == "Darwin")


def test_an_install_that_fails_is_tried_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*command: str) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(install, "run", fail)
    with pytest.raises(subprocess.CalledProcessError):
        install.main([])
    assert not install.is_current([])


def test_two_at_once_install_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def slowly(uv: str | None, python: str, extras: list[str]) -> None:
        calls.append(python)
        time.sleep(0.3)

    monkeypatch.setattr(install, "install", slowly)
    threads = [threading.Thread(target=install.main, args=([],)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_kernels_are_compiled_after_an_install_and_not_again(
    project: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "warm", lambda: commands.append(["warm"]))
    assert install.main([]) == install.main([]) == 0
    assert [command[0] for command in commands].count("warm") == 1
    assert commands[-1] == ["warm"]


def _old_pythons() -> Iterator[Path]:
    """Interpreters older than the project's that run here, such as a Mac's own 3.9."""
    roots = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob("*"))
    for minor in (9, 10):
        places = [shutil.which(f"python3.{minor}"), "/usr/bin/python3"]
        places += [str(root / "bin" / "python3") for root in roots]
        for place in filter(None, places):
            code = f"import sys; sys.exit(sys.version_info[:2] != (3, {minor}))"
            if (
                Path(place).exists()
                and not subprocess.run(
                    [place, "-c", code], capture_output=True, check=False
                ).returncode
            ):
                yield Path(place)
                break


def test_an_old_python_reads_every_line_of_it() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "__future__" in imported  # annotations are not evaluated: 3.9 knows no `str | None`


def test_an_old_python_starts_it_and_uv_fetches_a_newer_one(tmp_path: Path) -> None:
    found = list(_old_pythons())
    if not found:
        pytest.skip("no Python 3.9 or 3.10 here")
    for number, python in enumerate(found):
        root = tmp_path / str(number)
        (root / "mlxts" / "workspace").mkdir(parents=True)
        shutil.copy(SOURCE, root / "mlxts" / "workspace")
        (root / "pyproject.toml").write_text(PROJECT)
        (root / "constraints.txt").touch()
        tools = root / "bin"
        tools.mkdir()
        _program(tools, "python3", f'exec {python} "$@"')
        _program(
            tools,
            "uv",
            'echo "$@" >> told\n'
            "PATH=/usr/bin:/bin\n"
            "mkdir -p .venv/bin && printf '#!/bin/sh\\n' > .venv/bin/python\n"
            "chmod +x .venv/bin/python",
        )
        done = subprocess.run(
            [python, "mlxts/workspace/install.py", "postgres"],
            cwd=root,
            env={"PATH": str(tools)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        made, installed = (root / "told").read_text().splitlines()
        assert "--python 3.12" in made
        assert installed.endswith("--editable .[cpu,dev,postgres]")
        assert (root / ".venv" / "extras").read_text() == "postgres"


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
def test_the_makefile_hands_extras_on_and_lists_its_targets_with_any_sed(tmp_path: Path) -> None:
    _program(tmp_path, "sed", "exit 1")
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    for name in (
        "EXTRAS",
        "PYTHON",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
    ):  # of the make that runs the tests
        environment.pop(name, None)

    def make(*arguments: str) -> list[str]:
        done = subprocess.run(
            ["make", *arguments],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.rstrip().splitlines()

    assert make("help")[0] == "help       show this list"
    assert "setup      make .venv" in "\n".join(make())
    script = "mlxts/workspace/install.py"
    assert make("-n", "setup")[-1].strip().endswith(script)
    assert make("-n", "setup", "EXTRAS=cuda,postgres")[-1].endswith(f'{script} "cuda,postgres"')
    assert make("-n", "setup", "EXTRAS=")[-1].endswith(f'{script} ""')


@pytest.mark.parametrize("script", ["exit 1", "kill -SEGV $$", "sleep 5", None])
def test_kernels_that_cannot_be_compiled_hold_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    if script:
        _program(tmp_path, "python", script)
    monkeypatch.setattr(install, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(install, "WARMING_SECONDS", 0.2)
    began = time.perf_counter()
    install.warm()
    assert time.perf_counter() - began < 3
