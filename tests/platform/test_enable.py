"""What the package does to its process: nothing when it is imported, the rest when asked."""

import json
import os
import subprocess
import sys

import pytest

# Every variable as C sees it, MLX among them; Python's own copy misses what a library sets.
VARIABLES = """
import ctypes, os
def variables():
    environ, found = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ"), {}
    for line in iter(iter(environ).__next__, None):
        name, _, value = line.partition(b"=")
        found[os.fsdecode(name)] = os.fsdecode(value)
    return found
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has to be made fast")


def _outside(**more: str) -> dict[str, str]:
    """This process's variables without those that `enable` sets."""
    ours = ("MLXTS_", "MLX_", "OMP_", "MKL_", "KMP_")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


def _python(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", VARIABLES + code], env=environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


@linux
@pytest.mark.parametrize(
    "more", [{}, {"OMP_NUM_THREADS": "3", "TMPDIR": "/tmp", "MLXTS_THREADS": "2"}], ids=["", "set"]
)
def test_importing_the_package_and_mlx_changes_no_variable(more: dict[str, str]) -> None:
    code = (
        "before = (variables(), dict(os.environ)); import mlxts, mlxts.model.patchtst, mlx.core\n"
        "assert before == (variables(), dict(os.environ)), (before, variables())"
    )
    _python(code, _outside(**more))


@linux
def test_building_a_network_makes_a_notebook_as_fast_as_the_command_line() -> None:
    shape = 'mlxts.Shape("mixing", 3, 12, 4, 4, 8, 1, 2, 12, 3)'
    tell = "import json; print(json.dumps([dict(os.environ), cpu_jit.identity()]))"
    begin = "import mlxts\nfrom mlxts import platform\nfrom mlxts.platform import cpu_jit\n"
    by_network = _python(f"{begin}mlxts.PatchTST({shape}); {tell}", _outside())
    enabled = _python(f"{begin}platform.enable(); {tell}", _outside())
    assert json.loads(by_network) == json.loads(enabled)
    assert json.loads(enabled)[0]["MLX_ENABLE_TF32"] == "0"


@linux
def test_a_child_that_is_not_enabled_has_the_environment_of_its_parent() -> None:
    """Until it is: then it begins where the parent began, so that both have the same kernels."""
    ask = "from mlxts import platform; platform.enable(); print(os.environ['PATH'], flush=True)"
    child = f"import os, mlxts\nprint(os.environ['PATH'])\n{ask}"
    code = f"{ask}\nimport subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    parent, *said = _python(code, _outside(PATH=os.environ["PATH"])).splitlines()
    assert said == [parent, parent]


@pytest.mark.parametrize(
    ("environment", "tf32"),
    [({}, ["0", "off"]), ({"MLX_ENABLE_TF32": "1"}, ["1", "on"])],
    ids=["left alone", "asked for"],
)
def test_products_are_rounded_to_tf32_only_where_that_was_asked_for(
    environment: dict[str, str], tf32: list[str]
) -> None:
    code = (
        "import os, sys; from mlxts import platform; platform.enable()\n"
        "import mlxts.platform.device as b\n"
        "print(os.environ['MLX_ENABLE_TF32'], 'mlx.core' in sys.modules)\n"
        "b.device = lambda: 'cuda'; print(b.describe()['tf32'])"
    )
    variable, loaded, said = _python(code, _outside(**environment)).split()
    assert ([variable, said], loaded) == (tf32, "False")
