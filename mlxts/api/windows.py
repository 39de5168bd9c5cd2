"""Samples of an estimator: windows as an array, or the windows of a data frame of bars."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int64, Shaped
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from mlxts import features
from mlxts.data import frames
from mlxts.dataset.build import feature_array
from mlxts.dataset.samples import eligible_rows
from mlxts.platform import device


@dataclass(frozen=True)
class Windows:
    """Windows over rows of features, one for each sample in the caller's order."""

    features: Float32[np.ndarray, "N F"]
    ends: Int64[np.ndarray, " n"]  # the row on which each window ends; -1: it is not complete
    times: Shaped[np.ndarray, " n"]  # what samples are ordered by
    context: int  # rows of a window

    @property
    def complete(self) -> Bool[np.ndarray, " n"]:
        return self.ends >= 0


def is_frame_of_bars(X: Any) -> bool:
    """Whether X is a data frame with dates and closes, of whatever library."""
    return frames.is_frame(X) and frames.holds_bars(frames.to_polars(X).columns)


def of_array(X: Float32[np.ndarray, "n T *F"]) -> Windows:
    """Each sample is a window, the latest last; of one feature where there is no axis of them."""
    count, context, *several = X.shape
    width = several[0] if several else 1
    rows = device.host_array(count * context, width)
    rows[:] = X.reshape(-1, width)
    ends = np.arange(1, count + 1, dtype=np.int64) * context - 1
    return Windows(rows, ends, np.arange(count), context)


def of_frame(frame: Any, tier: int, context: int) -> Windows:
    """Each bar ends a window of a tier's features, where so many bars are there before it.

    Raises:
        DataError: see `features.build`.
    """
    bars = frames.read_rows(frame)
    table = features.build(bars, tier=tier)
    names = [name for name in table.columns if name not in ("date", "symbol")]
    array, complete = feature_array(table.lazy(), names)
    may_end = eligible_rows(table["symbol"].to_numpy(), complete, context)
    rows = table.select("date", "symbol", row=pl.int_range(pl.len(), dtype=pl.Int64))
    rows = rows.with_columns(row=pl.when(pl.Series(may_end)).then("row").otherwise(-1))
    own = bars.select("date", "symbol").join(
        rows, on=["date", "symbol"], how="left", maintain_order="left"
    )
    dates = own["date"].to_numpy().astype("datetime64[D]")
    return Windows(array, own["row"].to_numpy(), dates, context)


def split(
    windows: Windows, usable: Bool[np.ndarray, " n"], share: float, purge: int
) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " validation"]]:
    """The latest share of the times is for validation; what is trained on ends before it.

    Args:
        usable: which samples there are.
        purge: times before validation that are left out, as many as a label looks ahead.

    Raises:
        ValueError: too few times.
    """
    samples = np.flatnonzero(usable)
    days, rank = np.unique(windows.times[samples], return_inverse=True)
    first = len(days) - math.ceil(share * len(days))
    if first - purge < 1:
        raise ValueError(
            f"n_samples={len(samples)} at {len(days)} times leave nothing to train on before the "
            f"{math.ceil(share * len(days))} of validation and {purge} that are purged; give more"
        )
    return samples[rank < first - purge], samples[rank >= first]


def array_checks(X: Any) -> dict[str, Any]:
    """What scikit-learn checks of windows of one feature, a row each, or of several."""
    dimensions = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
    return {"dtype": np.float32, "ensure_2d": dimensions != 3, "allow_nd": dimensions == 3}


def labels_of_rows(y: Any, rows: int) -> Shaped[np.ndarray, " rows"]:
    """A label of each row of a frame. Raises ValueError: there are more or fewer."""
    if hasattr(y, "notna"):  # pandas has several kinds of missing values
        y = y.astype(object).where(y.notna(), None)
    labels = np.asarray(y, dtype=object)
    if labels.shape != (rows,):
        raise ValueError(
            f"y has the shape {labels.shape}; the frame's {rows} rows need a label each, or None"
        )
    return labels


def is_missing(labels: Shaped[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether a label is None or NaN."""
    if labels.dtype != object:
        return np.zeros(len(labels), dtype=bool)
    return np.array([x is None or x != x for x in labels], dtype=bool)


def two_classes(
    labels: Shaped[np.ndarray, " n"],
) -> tuple[Shaped[np.ndarray, " 2"], Int64[np.ndarray, " n"]]:
    """Both classes, sorted, and which of them each label is. Raises ValueError: other than two."""
    labels = np.array(labels.tolist())
    check_classification_targets(labels)
    classes, indices = np.unique(labels, return_inverse=True)
    if len(classes) > 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is "
            f"{type_of_target(labels)}."
        )
    if len(classes) < 2:
        raise ValueError("y holds one class; two are needed")
    return classes, indices
