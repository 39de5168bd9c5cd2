"""The dates of the splits: those of the protocol, one's own, or of a walk-forward origin.

Splits go by a name, which is all that a configuration, a run and a table hold of them: a key of
`protocol.SPLITS`, or the last days of one's own, `2015-12-31/2018-12-31/2024-12-31` (training,
validation, test; `open`: the test split has no end). `fractions 0.7/0.15` stands for such dates
until the data are read, see `dataset/split_dates.py`.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from mlxts.errors import ConfigError
from mlxts.protocol import ORIGINS, SPLITS, Splits

_DAY = timedelta(days=1)
_ENDS = ("train_end", "validation_end", "test_end")
_SHARES = ("train", "validation")
_OPEN = "open"
_SHOWN = 60  # characters of what was given
_FRACTIONS = "fractions "
_OWN_ORIGINS = 4  # walk-forward windows by default, where the dates are one's own
_EXPECTED = (
    f"is no kind of splits; give {', '.join(SPLITS)}, the last days as {{train_end: 2015-12-31, "
    "validation_end: 2018-12-31, test_end: 2024-12-31}, or fractions as {train: 0.7, validation: "
    "0.15}"
)


def name_of(splits: Mapping[str, Any] | str) -> str:
    """The name of splits as a configuration has them: a name, or the keys of dates or fractions.

    Raises:
        ConfigError: no such name, a key or date that is none, ends that are not in order, or
            fractions that leave nothing to test on.
    """
    if isinstance(splits, str):
        name = splits
    elif set(_SHARES) == set(splits):
        name = _FRACTIONS + "/".join(f"{splits[key]}" for key in _SHARES)
    elif set(_ENDS[:2]) <= set(splits) <= set(_ENDS):
        ends = (splits.get(key) for key in _ENDS)
        name = "/".join(_OPEN if end is None else f"{end}" for end in ends)
    else:
        keys = ", ".join(map(str, splits))
        raise ConfigError(f"{{{keys[:_SHOWN]}}} {_EXPECTED}")
    if is_fractions(name):
        fractions(name)
    else:
        borders(name)
    return name


def is_fractions(name: str) -> bool:
    """Whether the dates follow from the data."""
    return name.startswith(_FRACTIONS)


def fractions(name: str) -> tuple[float, float]:
    """The shares of the dates for training and validation. Raises ConfigError."""
    try:
        train, validation = map(float, name.removeprefix(_FRACTIONS).split("/"))
    except ValueError as error:
        raise ConfigError(f"{name[:_SHOWN]} {_EXPECTED}") from error
    if not (train > 0 and validation > 0 and train + validation < 1):
        raise ConfigError(f"{name}: both must be above 0 and their sum below 1")
    return train, validation


def borders(name: str, origin: int | None = None) -> Splits:
    """The split dates of a name, or of a walk-forward origin before them.

    An origin steps back through the years before the fixed validation split in windows of its
    length. Number 1 scores the validation years themselves, number 2 the window before, and so on.
    The scored window takes the place of the test split, the window before it that of the
    validation split (where training stops early), and all that is older is trained on: nothing
    that is scored has been used before, and no origin reaches into the test split.

    Args:
        origin: from 1, the latest, backwards; None: the fixed splits.

    Raises:
        ConfigError: no such splits, fractions (whose dates are not known without the data), or an
            origin before all dates.
    """
    fixed = SPLITS.get(name) or _of_dates(name)
    if origin is None:
        return fixed
    first, last = fixed.validation
    whole_years = (first.month, first.day, last.month, last.day) == (1, 1, 12, 31)
    years, days = last.year - first.year + 1, last - first + _DAY

    def window(back: int) -> tuple[date, date]:
        if not whole_years:
            return first - back * days, last - back * days
        shift = back * years
        return first.replace(year=first.year - shift), last.replace(year=last.year - shift)

    try:
        stopping, scored = window(origin), window(origin - 1)
    except (OverflowError, ValueError) as error:
        raise ConfigError(
            f"{name}: window {origin} lies before all dates; choose a later one"
        ) from error
    title = scored[0].year if whole_years else scored[0]
    return Splits(f"{name}, origin {title}", (None, stopping[0] - _DAY), stopping, scored)


def origins(name: str) -> int:
    """How many walk-forward windows are scored by default."""
    return ORIGINS.get(name, _OWN_ORIGINS)


def _of_dates(name: str) -> Splits:
    train, validation, test = _ends(name)
    if not train < validation or (test and not validation < test):
        raise ConfigError(f"{name}: each end must come after the one before it")
    return Splits(name, (None, train), (train + _DAY, validation), (validation + _DAY, test))


def _ends(name: str) -> tuple[date, date, date | None]:
    try:
        train, validation, test = name.split("/")
        last = None if test == _OPEN else date.fromisoformat(test)
        return date.fromisoformat(train), date.fromisoformat(validation), last
    except ValueError as error:
        raise ConfigError(f"{name[:_SHOWN]} {_EXPECTED}") from error
