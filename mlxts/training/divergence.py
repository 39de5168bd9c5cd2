"""When training has left the finite numbers, and which batch it was.

Asked after every update of what came out of it, and before every checkpoint of what would go into
it: the loss of an update says nothing of the weights that the update made.

A loss is too large in comparison with that of the base rate, of all training samples or of those
that were scored, whichever is larger: a batch that holds more of a rare event, or of great moves,
than others is lost on by any forecast.
"""

import math

import mlx.core as mx
import numpy as np

from mlxts import transfer
from mlxts.training.losses import Constant

LARGEST = 50.0  # times the loss of the base rate


def of_loss(name: str, loss: float, base: Constant, targets: np.ndarray) -> str | None:
    """What is wrong with a mean loss, or None.

    Args:
        base: the base-rate forecast.
        targets: (n,) of the samples that it was taken over.
    """
    if not math.isfinite(loss):
        return f"the {name} became {loss}"
    known = max(base.loss, base.loss_on(targets))
    if loss > LARGEST * known:
        forecast = "base rate" if base.binary else "mean"
        return (
            f"the {name} became {loss:.3g}, over {LARGEST:.0f} times the {forecast}'s {known:.3g}"
        )
    return None


def of_update(loss: float, grad_norm: float, base: Constant, targets: np.ndarray) -> str | None:
    """What is wrong with an update, or None."""
    if not math.isfinite(grad_norm) and math.isfinite(loss):
        return f"the norm of the gradients became {grad_norm}"
    return of_loss("loss", loss, base, targets)


def of_arrays(name: str, arrays: dict[str, mx.array]) -> str | None:
    """What is wrong with weights or moments, or None: one pass over them on the device."""
    real = [value for value in arrays.values() if mx.issubdtype(value.dtype, mx.floating)]
    if not real or _all_finite(real):
        return None
    return f"the {name} are not finite"


def _all_finite(arrays: list[mx.array]) -> bool:
    finite = mx.all(mx.stack([mx.all(mx.isfinite(value)) for value in arrays]))
    return bool(transfer.on_host(finite))


def batch(step: int, per_epoch: int, rows: np.ndarray, dates: np.ndarray | None) -> str:
    """Which samples an update saw.

    Args:
        step: updates done, this one included. per_epoch: updates an epoch.
        rows: (n,) of the batch's decision bars. dates: (n,) datetime64[D] of them, if known.
    """
    samples = f"{len(rows)} samples of rows {_span(rows)}"
    days = "" if dates is None else f", decided {_span(dates)}"
    return f"step {step} of epoch {(step - 1) // per_epoch + 1}: {samples}{days}"


def _span(values: np.ndarray) -> str:
    low, high = values.min(), values.max()
    return f"{low} to {high}"
