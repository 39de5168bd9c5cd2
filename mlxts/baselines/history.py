"""Whose training days an asset's references are fitted on: its own, or those of all assets.

One regression over several assets is a weaker one for each, so an asset has regressions of its own
wherever its history allows one: 30 training samples of either class (of returns 30 samples), below
which nothing is estimable by the protocol, and a block of time that can be cross-validated. An
asset with a shorter history uses those of all training assets, which is stated with every score.
"""

from dataclasses import dataclass

from mlxts.baselines import cross_validation, har
from mlxts.dataset.samples import Dataset, of_symbol, with_own_days


@dataclass(frozen=True)
class History:
    """What an asset's references are fitted on.

    Attributes:
        training: the asset's own samples and days, or where it has too few those of all assets.
        pooled: why they are those of all assets; None: they are the asset's own.
        unfitted: why nothing can be fitted at all, or None.
        unvalidated: why nothing can be cross-validated, or None.
    """

    training: Dataset
    pooled: str | None
    unfitted: str | None
    unvalidated: str | None


def of(dataset: Dataset, symbol: str) -> History:
    """The history of one asset of a data set."""
    symbol_data = with_own_days(of_symbol(dataset, symbol))
    unfitted, unvalidated = har.obstacle(symbol_data), _unvalidated(symbol_data)
    short = unfitted or unvalidated
    if short and not (har.obstacle(dataset) or _unvalidated(dataset)):
        return History(dataset, short, None, None)
    return History(symbol_data, None, unfitted, unvalidated)


def _unvalidated(data: Dataset) -> str | None:
    if not len(data.samples["train"]):
        return f"there is no training sample of {data.score_on}"
    if cross_validation.teaching(data):
        return None
    return f"the training years of {data.score_on} hold one class for too long"
