"""What a network reads: the features of each bar, and columns that are no features.

First what the head is given of the decision bar besides its features (`model.last_bar_to_head`):
HAR's log ranges and the reference's forecast; then the asset's number (`model.asset_embedding`),
then the forecast that the network's output is added to (`model.residual_of`). Of a window the last
bar's count.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, Num

from mlxts.baselines import har
from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.samples import Dataset
from mlxts.errors import DataError
from mlxts.platform import device
from mlxts.training.losses import TargetScale
from mlxts.training.residual_reference import ResidualReference

_SMALLEST_RANGE, _USUAL_RANGE = 1e-4, 1e-2  # log price


def inputs(
    data: Dataset,
    config: ExperimentConfig,
    reference: ResidualReference | None = None,
    scale: TargetScale | None = None,
) -> Float32[np.ndarray, "rows C"]:
    """The F features, and behind them the columns that the configuration asks for.

    Args:
        reference: the forecast that the output is added to; None: 0.
        scale: the units of the loss, in which the forecast is given.

    Raises:
        DataError: a symbol that is none of the assets; see `ResidualReference`.
    """
    reference_forecast: list[Float[np.ndarray, " rows"]] = []
    if config.model.residual_of:
        is_fitted = reference is not None and scale is not None
        reference_forecast = [
            scale.scaled(reference(data)) if is_fitted else np.zeros(len(data.features))
        ]
    columns: list[Num[np.ndarray, " rows"]] = []
    if config.model.last_bar_to_head:
        columns += [*log_ranges(data).T, *reference_forecast]
    if config.assets:
        columns.append(asset_numbers(data, config.assets))
    columns += reference_forecast
    if not columns:
        return data.features
    rows, count = data.features.shape
    array = device.host_array(rows, count + len(columns))
    array[:, :count] = data.features
    for number, column in enumerate(columns, count):
        array[:, number] = column
    array.flags.writeable = False
    return array


def log_ranges(data: Dataset) -> Float64[np.ndarray, "rows 3"]:
    """HAR's log ranges of the day on which each bar ends, from 1 %, in units of a factor of e.

    What has no range (no trade, or high equal to low) is 0.01 %.
    """
    days, ranges = har.daily_rows(data), har.ranges(data.daily)
    of_bar = np.where((days >= 0)[:, None], ranges[days], 0.0)
    return np.log(np.maximum(of_bar, _SMALLEST_RANGE) / _USUAL_RANGE)


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
