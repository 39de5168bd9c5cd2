"""Results of pure functions, kept in memory: what runs of one process have in common is made once.

The runs of a sweep differ in seeds and sizes and share data; whatever is fitted on those data or
drawn for their dates is the same for all of them. `memoised` finds it by the *values* of the
arguments, never by a name that may come to mean something else.
"""

import hashlib
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from functools import wraps
from io import BytesIO
from operator import attrgetter
from typing import Any, ParamSpec, TypeVar

import numpy as np
import polars as pl

LIMIT = 256 * 2**20  # bytes of all results together; beyond it the least recently used go

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_results: OrderedDict[str, bytes] = OrderedDict()


def memoised(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """A function that is computed once for equal arguments, as long as there is room.

    It must depend on its arguments alone. They are numbers, texts, dates, arrays, data frames, and
    tuples, lists, mappings and data classes of these. Every call gets a copy of the result.

    Raises:
        TypeError: an argument of another kind.
    """

    named = attrgetter("__module__", "__qualname__")(function)

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        key = fingerprint(named, args, kwargs)
        stored = _results.get(key)
        if stored is not None:
            _results.move_to_end(key)
            return pickle.loads(stored)
        result = function(*args, **kwargs)
        _results[key] = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
        while sum(map(len, _results.values())) > LIMIT:
            _results.popitem(last=False)
        return result

    return call


def clear() -> None:
    """Forget every result."""
    _results.clear()


def fingerprint(*values: Any) -> str:
    """SHA-256 of values, all of their bytes. Raises TypeError: a value of an unknown kind."""
    digest = hashlib.sha256()
    for part in _parts(values):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes | memoryview]:
    """A value as bytes that no other value has."""
    kind = type(value).__name__
    if value is None or isinstance(value, bool | int | float | str | date | np.generic):
        text = repr(value).encode()
        yield f"{kind} {len(text)}:".encode()
        yield text
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield f"{kind} {value.dtype.str} {value.shape}:".encode()
        yield np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
    elif isinstance(value, pl.DataFrame):
        stream = BytesIO()
        value.rechunk().write_ipc(stream)
        yield f"{kind} {stream.tell()}:".encode()
        yield stream.getbuffer()
    elif isinstance(value, tuple | list):
        yield f"{kind} {len(value)}:".encode()
        for item in value:
            yield from _parts(item)
    elif isinstance(value, Mapping):
        yield f"{kind} {len(value)}:".encode()
        for item in value.items():
            yield from _parts(item)
    elif is_dataclass(value):
        yield f"{kind}:".encode()
        yield from _parts([getattr(value, field.name) for field in fields(value)])
    else:
        raise TypeError(f"a {kind} cannot be told from another: no argument of a memoised function")
