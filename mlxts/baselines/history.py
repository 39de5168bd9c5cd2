"""Whose training days an asset's references are fitted on: its own, or those of all assets.

One regression over several assets is a weaker one for each, so an asset has regressions of its own
wherever its history allows one: 30 training samples of either class (of returns 30 samples), below
which nothing is estimable by the protocol, and a block of time that can be cross-validated. An
asset of a shorter history borrows from all that are trained on, which is said beside every score.
"""

from dataclasses import dataclass

from mlxts.baselines import cross_validation, har
from mlxts.dataset.samples import Dataset, of_symbol


@dataclass(frozen=True)
class History:
    """What an asset's references are fitted on.

    Attributes:
        own: the data set with the samples of that asset alone.
        training: the data set whose training samples teach; `own`, or that of all assets.
        pooled: why it is that of all assets; None: it is the asset's own.
        unfitted: why nothing can be fitted at all, or None.
        unvalidated: why nothing can be cross-validated, or None.
    """

    own: Dataset
    training: Dataset
    pooled: str | None
    unfitted: str | None
    unvalidated: str | None


def of(dataset: Dataset, symbol: str) -> History:
    """The history of one asset of a data set."""
    own = of_symbol(dataset, symbol)
    unfitted, unvalidated = har.obstacle(own), _unvalidated(own)
    short = unfitted or unvalidated
    if short and not (har.obstacle(dataset) or _unvalidated(dataset)):
        return History(own, dataset, short, None, None)
    return History(own, own, None, unfitted, unvalidated)


def _unvalidated(data: Dataset) -> str | None:
    if not len(data.samples["train"]):
        return f"there is no training sample of {data.score_on}"
    if cross_validation.teaching(data):
        return None
    return f"the training years of {data.score_on} hold one class for too long"
