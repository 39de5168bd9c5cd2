"""Numbers as text: the one formatter of tables, screens, documents and figures."""

import math
from collections.abc import Callable, Iterable
from typing import Any

UNKNOWN = "–"
MINUS = "−"  # as print sets it; a terminal and a CSV file get the hyphen

Format = str | Callable[[Any], str]


def is_known(value: Any) -> bool:
    """Whether there is a value: neither None nor a float that is not finite."""
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def number(value: Any, form: Format = "") -> str:
    """A value as text; a dash for what is not known.

    Args:
        form: a format specification or a function of the value. By default whole numbers have
            their thousands separated, others four decimals, and a truth is yes or no.
    """
    if not is_known(value):
        return UNKNOWN
    if not isinstance(form, str):
        return form(value)
    if form:
        return format(value, form)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def interval(low: Any, high: Any, form: Format = "", between: str = ", ") -> str:
    """`[low, high]`; empty where an end is not known."""
    if not (is_known(low) and is_known(high)):
        return ""
    return f"[{number(low, form)}{between}{number(high, form)}]"


def loss(value: float | None) -> str:
    """A loss: nats have four decimals, squared log returns, which are small, three digits."""
    return number(value, lambda v: f"{v:.4f}" if abs(v) >= 0.01 or v == 0.0 else f"{v:.3g}")


def difference(value: float | None) -> str:
    """A difference of losses, with its sign."""
    return number(value, lambda v: f"{v:+.4f}" if abs(v) >= 0.001 or v == 0.0 else f"{v:+.2g}")


def p_value(value: float | None) -> str:
    """0.0231, < 0.0001: no p value is 0."""
    return number(value, lambda v: f"{v:.4f}" if v >= 0.0001 else "< 0.0001")


def three_digits(value: float | None) -> str:
    """1,234, 12.3, 0.00123; whole numbers as they are."""
    whole = isinstance(value, int)
    return number(value, lambda v: f"{v:,.0f}" if whole or abs(v) >= 100 else f"{v:.3g}")


def million(parameters: float) -> str:
    """As budgets are named: 20,012 is 0.02M, 2,000,431 2M."""
    return f"{float(f'{parameters / 1e6:.3g}'):g}M"


def percent(share: float) -> str:
    """A share as prose has it: 5 %, 0.5 %."""
    return f"{share * 100:g} %"


def count(how_many: int, noun: str, plural: str = "") -> str:
    """`no run`, `1 run`, `2 runs`."""
    return f"{how_many:,} {plural or noun + 's'}" if how_many > 1 else f"{how_many or 'no'} {noun}"


def listing(items: Iterable[Any], last: str = "and") -> str:
    """`a, b and c`."""
    *most, final = map(str, items)
    return f"{', '.join(most)} {last} {final}" if most else final


def duration(seconds: float | None) -> str:
    """3:07, 1:02:07, 2d 3:04:05."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def short_time(seconds: float) -> str:
    """52.3 ms, 4.21 s."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def size(count: float | None) -> str:
    """Bytes in binary units: 312 MiB, 1.4 GiB."""
    if count is None:
        return UNKNOWN
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB" if value < 1000 else f"{value / 1024:.1f} TiB"


def mib(count: float) -> str:
    """Bytes in whole MiB, without the unit: 1,204."""
    return f"{count / 2**20:,.0f}"


def rate(value: float | None) -> str:
    """Samples a second: 1,234 samples/s, 8.4 samples/s."""
    return f"{number(value, lambda v: f'{v:,.0f}' if v >= 100 else f'{v:.1f}')} samples/s"
