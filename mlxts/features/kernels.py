"""Causal kernels on one symbol's bars that Polars has no fast or exact expression for.

Each takes float64 arrays of shape (T,) without NaN and returns (T,) with NaN where it cannot say
yet. Nothing after bar t is read for the value at t.
"""

import threading
from collections.abc import Callable, Sequence
from math import factorial, log

import numpy as np
import polars as pl
import talib
from numpy.lib.stride_tricks import sliding_window_view
from talib.abstract import Function  # ty: ignore[missing-module-member]

Array = np.ndarray
Kernel = Callable[..., Array]

MAX_AGE = 250  # bars; durations and recencies saturate here, so that their memory is bounded
MIN_HISTORY = 60  # bars; a longer window starts with these and grows to its full length
_DECIMALS = 7  # dimensionless values nearer than this are ties, whatever the price unit


def on_series(kernel: Kernel, series: Sequence[pl.Series]) -> pl.Series:
    """Run a kernel from the first bar on which no input is in its warm-up; null before."""
    begin = max(column.null_count() for column in series)
    arrays = [column.slice(begin).to_numpy() for column in series]
    result = np.full(len(series[0]), np.nan)
    if begin < len(result):
        with _lock:
            result[begin:] = kernel(*arrays)
    return pl.Series(result, nan_to_null=True)


# Kernels are many short NumPy calls, each of which lets go of the interpreter: two of Polars'
# threads in them at once would spend their time handing it to and fro.
_lock = threading.Lock()


def run_length(state: Array) -> Array:
    """Bars for which `state` (-1, 0 or 1) has been what it is, signed by it; 0 while it is 0.

    The cumulative-maximum form: the start of the run is the largest index of a change so far.
    """
    index = np.arange(len(state))
    changed = np.empty(len(state), dtype=bool)
    changed[0] = True
    np.not_equal(state[1:], state[:-1], out=changed[1:])
    start = np.maximum.accumulate(index * changed)
    return np.minimum(index - start + 1, MAX_AGE) * state


def signed_age(event: Array) -> Array:
    """Bars since the last event (1 on its bar), signed by it (-1 or 1); 0 before the first."""
    index = np.arange(len(event))
    last = np.maximum.accumulate(index * (event != 0.0))
    return np.minimum(index - last + 1, MAX_AGE) * event[last]


def age(event: Array) -> Array:
    """Bars since the last event (nonzero), 0 on its bar; the first bar counts as one."""
    index = np.arange(len(event))
    last = np.maximum.accumulate(index * (event != 0.0))
    return np.minimum(index - last, MAX_AGE).astype(float)


def extreme_age(window: int, *, lowest: bool = False) -> Kernel:
    """Bars since the highest (or lowest) value of the last `window` bars; ties: the latest.

    An exact rolling arg-max by doubling: the winners of two overlapping spans of 2^k bars decide
    the winner of their union, in log2(window) vectorised steps.
    """

    def kernel(values: Array) -> Array:
        signed = -values if lowest else values
        best = np.arange(len(values))
        length = 1
        while length < window:
            step = min(length, window - length)  # the last doubling overlaps itself
            earlier, later = best[:-step], best[step:]
            best = best.copy()
            best[step:] = np.where(signed[later] >= signed[earlier], later, earlier)
            length += step
        result = (np.arange(len(values)) - best).astype(float)
        result[: min(window, MIN_HISTORY) - 1] = np.nan
        return result

    return kernel


def percentile_rank(window: int) -> Kernel:
    """Percent of the last `window` - 1 earlier bars below the present one, ties counting half."""
    width = np.uint8 if window <= 128 else np.uint16

    def kernel(values: Array) -> Array:
        now = np.round(values, _DECIMALS).astype(np.float32)
        padded = np.concatenate([np.full(window - 1, np.nan, dtype=np.float32), now[:-1]])
        earlier = sliding_window_view(padded, window - 1).T  # (window - 1, T); NaN is no match
        hit = np.greater(now, earlier)
        twice = hit.view(np.uint8).sum(axis=0, dtype=width)
        np.greater_equal(now, earlier, out=hit)
        twice += hit.view(np.uint8).sum(axis=0, dtype=width)
        seen = np.minimum(np.arange(len(values)), window - 1)
        result = np.full(len(values), np.nan)
        begin = min(window, MIN_HISTORY) - 1
        result[begin:] = 50.0 * twice[begin:] / seen[begin:]
        return result

    return kernel


def permutation_entropy(order: int, window: int) -> Kernel:
    """Entropy of the order patterns of `order` bars in the last `window`, as a share of its
    maximum (Bandt & Pompe 2002). Equal values are ordered by time."""

    def kernel(values: Array) -> Array:
        rounded = np.round(values, _DECIMALS)
        count = len(rounded) - order + 1
        result = np.full(len(values), np.nan)
        spans = window - order + 1  # patterns that lie wholly in the window
        if count < spans:
            return result
        code = np.zeros(count, dtype=np.int64)
        for place in range(order):  # Lehmer code: how many later values are smaller
            smaller = sum(
                (rounded[later : later + count] < rounded[place : place + count]).astype(np.int64)
                for later in range(place + 1, order)
            )
            code = code * (order - place) + smaller
        seen = np.zeros((count + 1, factorial(order)), dtype=np.int64)
        seen[1:] = np.cumsum(code[:, None] == np.arange(factorial(order)), axis=0)
        share = (seen[spans:] - seen[:-spans]) / spans
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(share > 0, share * np.log(share), 0.0)
        result[window - 1 :] = -terms.sum(axis=1) / log(factorial(order))
        return result

    return kernel


def indicator(name: str, output: int = 0, **parameters: float) -> Kernel:
    """A TA-Lib function; `output` picks one of several."""
    function = getattr(talib, name)

    def kernel(*arrays: Array) -> Array:
        result = function(*(np.ascontiguousarray(array) for array in arrays), **parameters)
        return result[output] if isinstance(result, tuple) else result

    return kernel


def lookback(name: str, **parameters: float) -> int:
    """Bars that a TA-Lib function needs before its first value."""
    return Function(name, **parameters).lookback
