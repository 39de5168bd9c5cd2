"""Holds functions to the shapes that their annotations promise; types are for `ty`.

jaxtyping's import hook wraps every function of `ROOMS` once `conftest.py` has installed it. Outside
of the tests an annotation is read by people and by `ty`, and costs nothing.
"""

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import jaxtyping
from beartype import beartype
from jaxtyping import AbstractArray

ROOMS = ("baselines", "dataset", "evaluation", "model", "training")
F = TypeVar("F", bound=Callable[..., Any])


def install() -> None:
    """Check the modules of `ROOMS` that are imported from now on."""
    wrap = jaxtyping.jaxtyped

    def wrap_arrays(*, typechecker: Any) -> Callable[[F], F]:
        return lambda one: wrap(one, typechecker=typechecker) if _array_hints(one) else one

    # What takes and gives no array is called as ever.
    jaxtyping.jaxtyped = wrap_arrays  # ty: ignore[invalid-assignment]
    jaxtyping.install_import_hook([f"mlxts.{room}" for room in ROOMS], "tests.shapes.checked")


def checked(function: F) -> F:
    """A function that raises where an array is not of its annotation's shape and element type."""
    function.__annotations__ = _array_hints(function)
    return beartype(function)


def _array_hints(one: Any) -> dict[str, Any]:
    """Those of a function's annotations that name an array; of a class, those of its `__init__`."""
    hints = getattr(one.__init__ if isinstance(one, type) else one, "__annotations__", {})
    return {name: hint for name, hint in hints.items() if _holds_array(hint)}


def _holds_array(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(_holds_array(part) for part in get_args(hint))
