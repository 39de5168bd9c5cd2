"""What a network reads: the features of each bar, and behind them what is told apart from them.

First the number of the asset (`model.asset_embedding`), then the forecast that the network's output
is added to (`model.residual_of`); of a window the last bar's count.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int64

from mlxts.dataset.samples import Dataset
from mlxts.errors import DataError
from mlxts.platform import device
from mlxts.training.losses import TargetScale
from mlxts.training.residual_reference import ResidualReference


def inputs(
    data: Dataset,
    assets: Sequence[str] = (),
    reference: ResidualReference | None = None,
    scale: TargetScale | None = None,
) -> Float32[np.ndarray, "rows C"]:
    """The F features, and a column each for the asset's number and the reference, where asked for.

    Args:
        assets: symbols that the network tells apart, see `ExperimentConfig.assets`.
        reference: the forecast beneath. scale: the units of the loss, in which it is given.

    Raises:
        DataError: a symbol that is none of the assets; see `ResidualReference`.
    """
    columns = [asset_numbers(data, assets)] if assets else []
    if reference is not None and scale is not None:
        columns.append(scale.scaled(reference(data)))
    if not columns:
        return data.features
    rows, count = data.features.shape
    array = device.host_array(rows, count + len(columns))
    array[:, :count] = data.features
    for number, column in enumerate(columns, count):
        array[:, number] = column
    array.flags.writeable = False
    return array


def asset_numbers(data: Dataset, assets: Sequence[str]) -> Int64[np.ndarray, " rows"]:
    """The place of each bar's symbol among `assets`. Raises DataError where it has none."""
    symbols, of_bar = np.unique(data.bars["symbol"].to_numpy(), return_inverse=True)
    if unknown := sorted(set(map(str, symbols)) - set(assets)):
        raise DataError(
            f"{unknown[0]} is none of the assets that this network was built for "
            f"({', '.join(assets)}); train one on data that hold it, or set "
            "model.asset_embedding: false"
        )
    return np.array([assets.index(str(symbol)) for symbol in symbols])[of_bar]
