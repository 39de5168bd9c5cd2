"""What an annotation says of an array holds while tests run, and costs nothing otherwise."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from mlxts.baselines import random_walk
from mlxts.dataset.samples import Samples
from mlxts.evaluation.comparison import Comparison
from mlxts.model import encoder_variants
from mlxts.training import losses, step
from tests.shapes import ROOMS

PACKAGE = Path(__file__).parents[1] / "mlxts"


def _samples() -> Samples:
    days, rows = np.zeros(3, "datetime64[D]"), np.arange(3, dtype=np.int32)
    targets = np.zeros(2, dtype=np.float32)
    return Samples(rows, days, np.full(3, "A"), targets, days, np.zeros(3, np.int16), rows)


# Each would go on with an array of another shape than was meant.
WRONG = {
    "baselines": lambda: random_walk.touch(0.1, np.zeros(3), np.ones((3, 1))),
    "dataset": _samples,
    "evaluation": lambda: Comparison(np.ones(3), np.ones(1)),
    "model": lambda: encoder_variants.pool(mx.zeros((2, 3)), "mean"),
    "training": lambda: losses.mean_loss(
        np.zeros((3, 1)), np.zeros(3), binary=True, huber_delta=1.0
    ),
}


@pytest.mark.parametrize("room", ROOMS)
def test_an_array_of_a_wrong_shape_is_caught(room: str) -> None:
    with pytest.raises(TypeCheckError):
        WRONG[room]()


def test_a_wrong_shape_is_caught_within_a_compiled_function() -> None:
    @mx.compile
    def compiled(outputs: mx.array, targets: mx.array) -> mx.array:
        return step.sample_losses(outputs, targets, binary=False, huber_delta=1.0)

    assert compiled(mx.zeros(3), mx.zeros(3)).shape == (3,)
    with pytest.raises(TypeCheckError):
        compiled(mx.zeros((3, 1)), mx.zeros(3))


def test_outside_the_tests_nothing_is_checked() -> None:
    code = (
        "import sys, numpy as np; from mlxts.training.losses import mean_loss;"
        "mean_loss(np.zeros((3, 1)), np.zeros(3), binary=True, huber_delta=1.0);"
        "print('beartype' in sys.modules, hasattr(mean_loss, '__wrapped__'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# These take whatever comes, and raise an error of their own where its shape is wrong.
DOORS = {
    "BaselineNetwork.__init__(statistics)", "Network.__call__(keys)", "Network.__call__(x)",
    "OffsetPatchTST.__init__(statistics)", "PatchTST.__init__(statistics)",
    "PublishedPatchTST.__call__(x)", "require_statistics(statistics)",
}  # fmt: skip


def _bare(node: ast.AST, name: str = "") -> Iterator[str]:
    """Arguments, results (`return`) and fields that are arrays of any shape."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _bare(child, f"{child.name}.")
        elif isinstance(child, ast.FunctionDef):
            own = f"{name}{child.name}"
            arguments = [*child.args.posonlyargs, *child.args.args, *child.args.kwonlyargs]
            hints = {argument.arg: argument.annotation for argument in arguments}
            for argument, hint in (hints | {"return": child.returns}).items():
                if hint is not None and _is_bare(hint):
                    yield f"{own}({argument})"
            yield from _bare(child, f"{own}.")
        elif isinstance(child, ast.AnnAssign) and _is_bare(child.annotation):
            yield f"{name}{ast.unparse(child.target)}"


def _is_bare(hint: ast.AST) -> bool:
    if isinstance(hint, ast.Subscript) and isinstance(hint.slice, ast.Tuple):
        parts = hint.slice.elts
        if len(parts) == 2 and isinstance(parts[1], ast.Constant):
            return False  # Float[np.ndarray, "n"]
    if isinstance(hint, ast.Subscript) and ast.unparse(hint.value) in ("dict", "list"):
        return False  # a tree of parameters, each of a shape of its own
    if isinstance(hint, ast.Attribute):
        return ast.unparse(hint) in ("mx.array", "np.ndarray")
    return any(_is_bare(child) for child in ast.iter_child_nodes(hint))


def test_every_array_of_these_rooms_says_its_shape() -> None:
    found = {
        name
        for room in ROOMS
        for path in (PACKAGE / room).glob("*.py")
        for name in _bare(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == DOORS
