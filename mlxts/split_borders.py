"""The dates of the splits: those of the protocol, or of a walk-forward origin."""

from datetime import date, timedelta

from mlxts.protocol import SPLITS, Splits


def borders(name: str, origin: int | None = None) -> Splits:
    """The split dates of a configuration: those of the protocol, or of a walk-forward origin.

    An origin steps back through the years before the fixed validation split in windows of its
    length. Number 1 scores the validation years themselves, number 2 the window before, and so on.
    The scored window takes the place of the test split, the window before it that of the
    validation split (where training stops early), and all that is older is trained on: nothing
    that is scored has been used before, and no origin reaches into the test split.

    Args:
        name: key of `protocol.SPLITS`.
        origin: from 1, the latest, backwards; None: the fixed splits.
    """
    fixed = SPLITS[name]
    if origin is None:
        return fixed
    first, last = fixed.validation
    years = last.year - first.year + 1

    def window(back: int) -> tuple[date, date]:
        shift = back * years
        return first.replace(year=first.year - shift), last.replace(year=last.year - shift)

    stopping, scored = window(origin), window(origin - 1)
    before = stopping[0] - timedelta(days=1)
    return Splits(f"{name}, origin {scored[0].year}", (None, before), stopping, scored)
