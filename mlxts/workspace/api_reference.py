"""What can be used from Python, out of docstrings: the block of docs/python_api.md, and docs/api/.

Public is what `import mlxts` offers and, in the rooms listed here, each class and function without
an underscore whose docstring has more than one line: what it takes, returns or raises.
"""

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from textwrap import fill, indent
from types import ModuleType
from typing import Any

ROOMS = (
    "data", "runs", "simulation", "features", "dataset", "baselines", "model", "training",
    "evaluation", "predict", "experiment", "walk_forward", "scored_rows", "scaling", "interop",
)  # fmt: skip
_QUOTED = re.compile(r"(: |-> )'([\w.]+)'")  # an annotation that was written as text
_PATH = re.compile(r"\b(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*)")
_OBJECT = re.compile(r"<[^<>]*(?:<[^<>]*>[^<>]*)*>")  # a default without a form of its own
_WIDTH = 100


def python_api() -> str:
    """What `import mlxts` offers."""
    import mlxts

    public = [(name, getattr(mlxts, name)) for name in mlxts.__all__]
    names = [(f"mlxts.{name}", value) for name, value in public if callable(value)]
    names += [("mlxts.features.build", mlxts.features.build)]
    names += [("mlxts.parameter_budget.solve", mlxts.parameter_budget.solve)]
    return "\n\n".join(_entry(name, value) for name, value in names)


def pages() -> dict[str, Callable[[], str]]:
    """What renders each page, by its path."""
    return {f"docs/api/{room}.md": partial(page, room) for room in ROOMS}


def page(room: str) -> str:
    """What a room offers, module by module."""
    title = f"# mlxts.{room}\n\nWritten from the docstrings by `mlxts docs render`."
    parts = [title]
    for module in _modules(import_module(f"mlxts.{room}")):
        public = [
            (name, member) for name, member in vars(module).items() if _is_public(member, module)
        ]
        if public:
            parts += [f"## {module.__name__}", f"```text\n{_text(module)}\n```"]
            parts += [_entry(name, member) for name, member in public]
    return "\n\n".join(parts) + "\n"


def _modules(room: ModuleType) -> Iterator[ModuleType]:
    """The module and, of a package, those below it, by name."""
    yield room
    for module in pkgutil.walk_packages(getattr(room, "__path__", []), f"{room.__name__}."):
        yield import_module(module.name)


def _is_public(value: Any, module: ModuleType) -> bool:
    is_own = (inspect.isclass(value) or inspect.isfunction(value)) and (
        value.__module__ == module.__name__ and not value.__name__.startswith("_")
    )
    return is_own and "\n" in _text(value)


def _entry(name: str, value: Any) -> str:
    """Signature, docstring and, of a class, the same of its public members."""
    kind = "class " if inspect.isclass(value) else ""
    lines = [_signature(f"{kind}{name.split('.')[-1]}", value), "", _text(value)]
    for member, defined in vars(value).items() if inspect.isclass(value) else ():
        function = getattr(defined, "fget", None) or getattr(defined, "func", defined)
        function = getattr(function, "__func__", function)  # of a class or static method
        is_hidden = member.startswith("_") and member != "__call__"
        if not is_hidden and inspect.isfunction(function) and _text(function):
            is_called = callable(defined) or isinstance(defined, classmethod | staticmethod)
            heading = _signature(f".{member}", function) if is_called else f".{member}"
            lines += ["", heading, indent(_text(function), "    ")]
    text = "\n".join(lines)
    return f"### {name}\n\n```text\n{text}\n```"


def _signature(name: str, value: Any) -> str:
    """Without `self` and the modules of types; of errors, which take a message, the name alone."""
    if inspect.isclass(value) and issubclass(value, BaseException):
        return name
    signature = inspect.signature(value)
    parameters = [p for name, p in signature.parameters.items() if name not in ("self", "cls")]
    text = str(signature.replace(parameters=parameters)).replace(" -> None", "")
    text = _PATH.sub(r"\1", _QUOTED.sub(r"\1\2", _OBJECT.sub("...", text)))
    return fill(name + text, _WIDTH, subsequent_indent=" " * 8, break_long_words=False)


def _text(value: Any) -> str:
    """Its docstring; none where that is made of its fields."""
    text = inspect.cleandoc(value.__doc__ or "")
    return "" if text.startswith(f"{value.__name__}(") else text
