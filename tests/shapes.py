"""Holds functions to the shapes that their annotations promise; types are for `ty`.

jaxtyping's import hook wraps every function of `ROOMS` once `conftest.py` has installed it. Outside
of the tests an annotation is read by people and by `ty`, and costs nothing.
"""

from collections.abc import Callable
from typing import Any, TypeVar, get_args

from beartype import beartype
from jaxtyping import AbstractArray, install_import_hook

ROOMS = ("baselines", "dataset", "evaluation", "model", "training")
F = TypeVar("F", bound=Callable[..., Any])


def install() -> None:
    """Check the modules of `ROOMS` that are imported from now on."""
    install_import_hook([f"mlxts.{room}" for room in ROOMS], "tests.shapes.checked")


def checked(function: F) -> F:
    """A function that raises where an array is not of its annotation's shape and element type."""
    shapes = {name: hint for name, hint in function.__annotations__.items() if _holds_array(hint)}
    if not shapes:
        return function
    function.__annotations__ = shapes
    return beartype(function)


def _holds_array(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(_holds_array(part) for part in get_args(hint))
