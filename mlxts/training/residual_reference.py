"""The reference forecast of a residual network (`model.residual_of`): fitted before its first step.

Each asset has a regression of its own, the same in every row of the dataset matrix; one that has
too few training samples gets a regression of all assets together. Training rows get
out-of-fold values, later ones those of the whole fit. What was fitted is written to the run's
folder, so that the network adds to the same forecast when it is loaded with newer bars.

Runs of before hold no blocks and keep their in-sample values, and some one HAR for all assets.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from jaxtyping import Float32, Float64, Integer

from mlxts import json_files
from mlxts.baselines import har, linear, out_of_fold
from mlxts.baselines.har import ScaleModel
from mlxts.baselines.linear import LinearModel
from mlxts.baselines.out_of_fold import CrossFitted
from mlxts.dataset.samples import Dataset, of_symbol
from mlxts.errors import CheckpointError, DataError
from mlxts.files import write_json
from mlxts.memo import memoised
from mlxts.protocol import BASELINE, LINEAR
from mlxts.runs import layout
from mlxts.training.distributed import Ranks

_ALL_SYMBOLS = "*"  # in place of a symbol: one regression for all that have none of their own
_ROWS_AT_ONCE = 4096  # whose features are copied

Regression = ScaleModel | LinearModel
# Keys: what `model.residual_of` may be.
_REGRESS: Mapping[str, Callable[[Dataset], Regression]] = MappingProxyType(
    {BASELINE: partial(har.fit, measure=BASELINE), LINEAR: linear.fit}
)


@dataclass(frozen=True)
class ResidualReference:
    """A cross-fitted regression for each symbol.

    Attributes:
        names: of the features that the regressions read, in this order; none for HAR.
    """

    models: Mapping[str, CrossFitted[Regression]]
    names: tuple[str, ...] = ()

    def __call__(self, data: Dataset) -> Float64[np.ndarray, " {data.bars.height}"]:
        """Of each bar of a data set: a logit, or a log return; 0 where its day was not traded.

        Raises:
            DataError: a symbol that none was fitted for, or other features.
        """
        if self.names and self.names != data.names:
            raise DataError("the data have other features than model.residual_of was fitted on")
        ranges, days = har.MEASURES[BASELINE](data.daily), har.daily_rows(data)
        dates = data.bars["date"].to_numpy().astype("datetime64[D]")
        symbols = data.bars["symbol"].to_numpy()
        forecasts = np.zeros(len(symbols))
        for symbol in np.unique(symbols):
            fitted = self.models.get(str(symbol), self.models.get(_ALL_SYMBOLS))
            if fitted is None:
                raise DataError(
                    f"no reference was fitted for {symbol}; train on data that hold its training "
                    "days"
                )
            rows = np.flatnonzero((symbols == symbol) & (days >= 0))

            def predict(
                model: Regression,
                chosen: Integer[np.ndarray, " m"],
                rows: Integer[np.ndarray, " n"] = rows,
            ) -> Float64[np.ndarray, " m"]:
                return _predict(model, ranges[days[rows[chosen]]], data.features, rows[chosen])

            forecasts[rows] = fitted.forecast(dates[rows], predict)
        return forecasts

    def notice(self, data: Dataset) -> str | None:
        """Which assets of a data set have no regression of their own, in one line."""
        pooled = sorted(set(data.bars["symbol"].unique()) - set(self.models))
        if not pooled:
            return None
        return (
            f"too few training samples of {', '.join(pooled)}: model.residual_of is fitted on all "
            "assets together there"
        )

    def to_dict(self) -> dict[str, Any]:
        models = {symbol: asdict(model) for symbol, model in self.models.items()}
        return {"names": list(self.names), "models": models}

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str = "the residual reference") -> Self:
        """From what `to_dict` returned, or JSON made of it, or of what earlier versions wrote.

        Raises:
            CheckpointError: it is something else; names `where`.
        """
        if "models" not in values:  # HAR, fitted once for each symbol, or before that for all
            by_symbol = {_ALL_SYMBOLS: values} if "measure" in values else values
            models = {name: {"whole": model, "blocks": []} for name, model in by_symbol.items()}
            values = {"names": [], "models": models}
        read = partial(
            json_files.build, kind=_Stored, where=where, error=CheckpointError, remedy=_WAY_OUT
        )
        stored = read(values)
        return cls(stored.models, stored.names)


@dataclass(frozen=True)
class _Stored:
    names: tuple[str, ...]
    models: dict[str, CrossFitted[Regression]]


_WAY_OUT = "restore it from a backup, or train the run again"


@memoised
def fit(data: Dataset, of: str) -> ResidualReference:
    """On the training samples of each asset.

    Args:
        of: `model.residual_of` of the configuration.

    Raises:
        DataError: an asset has too few, and so have all together.
    """
    models: dict[str, CrossFitted[Regression]] = {}
    short: dict[str, str] = {}
    for symbol in np.unique(data.daily["symbol"].to_numpy()):
        symbol_data = of_symbol(data, str(symbol))
        if obstacle := out_of_fold.obstacle(symbol_data):
            short[str(symbol)] = obstacle
        else:
            models[str(symbol)] = out_of_fold.fit(symbol_data, _REGRESS[of])
    if short:
        if out_of_fold.obstacle(data):
            symbol, obstacle = next(iter(short.items()))
            raise DataError(
                f"model.residual_of: {of} is not estimable: {obstacle}; leave {symbol} out of "
                "the data, give it more training days, or leave model.residual_of out"
            )
        models[_ALL_SYMBOLS] = out_of_fold.fit(data, _REGRESS[of])
    return ResidualReference(models, data.names if of == LINEAR else ())


def load_or_fit(
    folder: Path, of: str | None, data: Dataset, ranks: Ranks
) -> ResidualReference | None:
    """Fit on the training samples and write it to the run's folder; read it where it is there.

    Args:
        of: `model.residual_of` of the configuration; None: there is none.

    Raises:
        DataError: see `fit`.
    """
    if of is None:
        return None
    fitted: dict[str, Any] = {}
    if ranks.is_rank_zero:
        if not (folder / layout.OFFSET).exists():
            write_json(folder / layout.OFFSET, fit(data, of).to_dict())
        fitted = _read(folder).to_dict()
    return ResidualReference.from_dict(ranks.broadcast(fitted))


def load(folder: Path, of: str | None) -> ResidualReference | None:
    """The one in a run's folder, if it has one. Raises CheckpointError where it cannot be read."""
    return None if of is None else _read(folder)


def _read(folder: Path) -> ResidualReference:
    path = folder / layout.OFFSET
    values = json_files.read(path, json_files.Shape, error=CheckpointError, remedy=_WAY_OUT)
    return ResidualReference.from_dict(values, str(path))


def _predict(
    model: Regression,
    ranges: Float64[np.ndarray, "m 3"],
    features: Float32[np.ndarray, "rows F"],
    rows: Integer[np.ndarray, " m"],
) -> Float64[np.ndarray, " m"]:
    if isinstance(model, ScaleModel):
        return model(ranges)
    parts = range(0, len(rows), _ROWS_AT_ONCE)
    cuts = [slice(first, first + _ROWS_AT_ONCE) for first in parts]
    return np.concatenate([np.empty(0), *(model(ranges[cut], features[rows[cut]]) for cut in cuts)])
