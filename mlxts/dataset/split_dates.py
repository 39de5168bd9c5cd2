"""Splits that are given as fractions of the dates, once the data tell which dates these are."""

from mlxts import split_borders
from mlxts.config.experiment import ExperimentConfig
from mlxts.data import panel, store
from mlxts.errors import EmptySplitError


def resolved(config: ExperimentConfig) -> ExperimentConfig:
    """The configuration with the dates of its splits; as it is where they are given.

    The fractions are of the days of the scored symbol, and the last of them ends the test split:
    data that are fetched again, with more days, are other splits and say so in their name.

    Raises:
        DataError, IntegrityError: the scored symbol cannot be read.
        EmptySplitError: it has too few days to divide.
    """
    if not split_borders.is_fractions(config.data.splits):
        return config
    days = store.load(panel.choose(config.data.score_on, config.data))["date"].sort()
    train, validation = split_borders.fractions(config.data.splits)
    rows = [round(train * len(days)), round((train + validation) * len(days)), len(days)]
    if not 0 < rows[0] < rows[1] < rows[2]:
        raise EmptySplitError(
            f"{config.data.score_on} has {len(days)} days, too few for data.splits: "
            f"{config.data.splits}; give it more, or other fractions"
        )
    ends = (str(days[row - 1]) for row in rows)
    data = config.data.model_copy(update={"splits": "/".join(ends)})
    return config.model_copy(update={"data": data})
