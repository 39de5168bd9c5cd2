"""An algebra of causal series: what a feature is built from.

A `Quantity` is a Polars expression over one symbol's bars that carries its formula and its exact
warm-up with it, so that no table states either by hand. Operations only use the past, and nulls
occur in the warm-up and nowhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from mlxts.features import kernels
from mlxts.features.kernels import MIN_HISTORY, Kernel

_TIE = 1e-9  # dimensionless values this near to 0 have no sign


@dataclass(frozen=True, eq=False)
class Column:
    """A quantity with a name of its own: computed once, then read by all that use it."""

    name: str
    quantity: "Quantity"


@dataclass(frozen=True, eq=False)
class Quantity:
    """A causal series of shape (T,), Float64.

    Attributes:
        expr: over the bars' columns and `columns`.
        formula: the same, for people and for hashing.
        warmup: bars without a value at the start of a symbol, exactly.
        columns: the named quantities that `expr` reads.
    """

    expr: pl.Expr
    formula: str
    warmup: int = 0
    columns: frozenset[Column] = field(default_factory=frozenset)

    def __add__(self, other: "Quantity | float") -> "Quantity":
        return _binary(self, other, "+", lambda a, b: a + b)

    def __sub__(self, other: "Quantity | float") -> "Quantity":
        return _binary(self, other, "-", lambda a, b: a - b)

    def __mul__(self, other: "Quantity | float") -> "Quantity":
        return _binary(self, other, "*", lambda a, b: a * b)

    def __truediv__(self, other: "Quantity | float") -> "Quantity":
        """Plain division: the divisor is a price, or something else that is never 0."""
        return _binary(self, other, "/", lambda a, b: a / b)

    def __radd__(self, other: float) -> "Quantity":
        return constant(other) + self

    def __rsub__(self, other: float) -> "Quantity":
        return constant(other) - self

    def __rmul__(self, other: float) -> "Quantity":
        return constant(other) * self

    def __rtruediv__(self, other: float) -> "Quantity":
        return constant(other) / self

    def abs(self) -> "Quantity":
        return self._map("abs", self.expr.abs())

    def log(self) -> "Quantity":
        """Natural logarithm, of something positive."""
        return self._map("log", self.expr.log())

    def sqrt(self) -> "Quantity":
        """Square root; rounding below 0 counts as 0."""
        return self._map("sqrt", self.expr.clip(lower_bound=0.0).sqrt())

    def clip(self, low: float | None = None, high: float | None = None) -> "Quantity":
        bounds = ", ".join("" if bound is None else f"{bound:g}" for bound in (low, high))
        return Quantity(
            self.expr.clip(lower_bound=low, upper_bound=high),
            f"clip({_bare(self.formula)}, {bounds})",
            self.warmup,
            self.columns,
        )

    def sign(self) -> "Quantity":
        """-1, 0 or 1 of something dimensionless; what is within 1e-9 of 0 is 0."""
        tie = self.expr.abs() <= _TIE
        return self._map("sign", pl.when(tie).then(0.0).otherwise(self.expr.sign()))

    def positive(self) -> "Quantity":
        """1 where something dimensionless is positive, else 0; ties as in `sign`."""
        return self._map("positive", (self.expr > _TIE).cast(pl.Float64))

    def lag(self, bars: int) -> "Quantity":
        return self._map("lag", self.expr.shift(bars), bars, after=bars)

    def change(self, bars: int) -> "Quantity":
        """The value less the value `bars` ago."""
        return self._map("change", self.expr - self.expr.shift(bars), bars, after=bars)

    def mean(self, bars: int) -> "Quantity":
        return self._rolling("mean", bars, self.expr.rolling_mean)

    def total(self, bars: int) -> "Quantity":
        return self._rolling("sum", bars, self.expr.rolling_sum)

    def highest(self, bars: int) -> "Quantity":
        return self._rolling("highest", bars, self.expr.rolling_max)

    def lowest(self, bars: int) -> "Quantity":
        return self._rolling("lowest", bars, self.expr.rolling_min)

    def median(self, bars: int) -> "Quantity":
        return self._rolling("median", bars, self.expr.rolling_median)

    def std(self, bars: int) -> "Quantity":
        """Population standard deviation."""

        def rolling(window_size: int, min_samples: int) -> pl.Expr:
            return self.expr.rolling_std(window_size, min_samples=min_samples, ddof=0)

        return self._rolling("std", bars, rolling)

    def running_max(self) -> "Quantity":
        """Highest value so far."""
        return self._map("running_max", self.expr.cum_max())

    def running_total(self) -> "Quantity":
        return self._map("running_sum", self.expr.cum_sum())

    def percentile(self, bars: int) -> "Quantity":
        """Rank among the last `bars` values, 0 to 100, ties half."""
        lead = min(bars, MIN_HISTORY) - 1
        return self.through(kernels.percentile_rank(bars), "percentile", bars, after=lead)

    def through(self, kernel: Kernel, name: str, *arguments: object, after: int = 0) -> "Quantity":
        """The result of a kernel on this series that begins `after` bars later."""
        return apply(kernel, name, self, arguments=arguments, after=after)

    def named(self, name: str) -> "Quantity":
        """This quantity as a column of its own, computed once for all that read it.

        Raises:
            ValueError: the name stands for another formula already (a mistake in a table).
        """
        if self.columns == {_columns.get(name)} and self.formula == name:
            return self  # it is that column already
        column = _columns.setdefault(name, Column(name, self))
        if column.quantity.formula != self.formula:
            raise ValueError(f"{name} is {column.quantity.formula}, and now {self.formula}")
        return Quantity(pl.col(name), name, self.warmup, frozenset({column}))

    def described(self, formula: str) -> "Quantity":
        """This quantity under a shorter formula; the same text must always mean the same."""
        return replace(self, formula=formula)

    def staged(self) -> "Quantity":
        """`named`, by its own formula."""
        return self.named(self.formula)

    def _map(self, name: str, expr: pl.Expr, *arguments: object, after: int = 0) -> "Quantity":
        inner = ", ".join([_bare(self.formula), *map(str, arguments)])
        return Quantity(expr, f"{name}({inner})", self.warmup + after, self.columns)

    def _rolling(self, name: str, bars: int, operation: Callable[..., pl.Expr]) -> "Quantity":
        least = min(bars, MIN_HISTORY)
        return self._map(name, operation(bars, min_samples=least), bars, after=least - 1)


_columns: dict[str, Column] = {}


def raw(name: str) -> Quantity:
    """A column of the bars."""
    return Quantity(pl.col(name), name)


def constant(value: float) -> Quantity:
    return Quantity(pl.lit(float(value)), f"{value:g}")


def maximum(first: Quantity, second: Quantity) -> Quantity:
    return _extreme(first, second, "max", pl.max_horizontal)


def minimum(first: Quantity, second: Quantity) -> Quantity:
    return _extreme(first, second, "min", pl.min_horizontal)


def inverse(value: Quantity, floor: Quantity | float) -> Quantity:
    """1 / value, and 0 where |value| is at most `floor`: there is no scale to divide by.

    A ratio over nothing is so 0, by definition and not by accident; `floor` is in the unit of
    `value` (a millionth of the price, say), which keeps the quotient free of any unit.
    """
    floor = floor if isinstance(floor, Quantity) else constant(floor)
    expr = pl.when(value.expr.abs() <= floor.expr).then(0.0).otherwise(1.0 / value.expr)
    formula = f"inverse({_bare(value.formula)}; {_bare(floor.formula)})"
    return Quantity(expr, formula, _later(value, floor), value.columns | floor.columns)


def apply(
    kernel: Kernel, name: str, *inputs: Quantity, arguments: tuple[object, ...] = (), after: int
) -> Quantity:
    """A kernel over whole series, one symbol at a time."""

    def batch(series: Sequence[pl.Series]) -> pl.Series:
        return kernels.on_series(kernel, series)

    expr = pl.map_batches(
        [quantity.expr for quantity in inputs], batch, return_dtype=pl.Float64, is_elementwise=False
    )
    operands = ", ".join([*(_bare(quantity.formula) for quantity in inputs), *map(str, arguments)])
    columns = frozenset[Column]().union(*(quantity.columns for quantity in inputs))
    return Quantity(
        expr, f"{name}({operands})", max(quantity.warmup for quantity in inputs) + after, columns
    )


def talib(name: str, *inputs: Quantity, output: int = 0, **parameters: float) -> Quantity:
    """A TA-Lib function, for what is recursive; its lead-in is the warm-up."""
    settings = tuple(f"{key}={value:g}" for key, value in parameters.items())
    return apply(
        kernels.indicator(name, output, **parameters),
        f"{name}.{output}" if output else name,
        *inputs,
        arguments=settings,
        after=kernels.lookback(name, **parameters),
    )


def _binary(
    left: Quantity, right: Quantity | float, symbol: str, operation: Callable[..., pl.Expr]
) -> Quantity:
    other = right if isinstance(right, Quantity) else constant(right)
    return Quantity(
        operation(left.expr, other.expr),
        f"({left.formula} {symbol} {other.formula})",
        _later(left, other),
        left.columns | other.columns,
    )


def _extreme(
    first: Quantity, second: Quantity, name: str, operation: Callable[..., pl.Expr]
) -> Quantity:
    expr = operation(first.expr, second.expr)
    if first.warmup != second.warmup:  # the horizontal extremes skip nulls
        expr = expr + 0.0 * (first if first.warmup > second.warmup else second).expr
    formula = f"{name}({_bare(first.formula)}, {_bare(second.formula)})"
    return Quantity(expr, formula, _later(first, second), first.columns | second.columns)


def _later(first: Quantity, second: Quantity) -> int:
    return max(first.warmup, second.warmup)


def _bare(formula: str) -> str:
    """Without the outer brackets, where a function's own do."""
    if not formula.startswith("("):
        return formula
    depth = 0
    for position, character in enumerate(formula):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return formula[1:-1] if position == len(formula) - 1 else formula
    return formula
