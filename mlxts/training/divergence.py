"""When training has left the finite numbers, and which batch it was.

Asked after every update of what came out of it, and before every checkpoint of what would go into
it: the loss of an update is that of the weights before it.

A loss is too large in comparison with that of the base rate, of all training samples or of those
that were scored, whichever is larger: a batch that holds more of a rare event, or of great moves,
than others is lost on by any forecast.
"""

import math

import mlx.core as mx
import numpy as np
from jaxtyping import Float, Integer, Shaped

from mlxts import transfer
from mlxts.training.losses import BaseRateForecast

LARGEST = 50.0  # times the loss of the base rate


def loss_problem(
    name: str, loss: float, base_rate: BaseRateForecast, targets: Float[np.ndarray, " n"]
) -> str | None:
    """What is wrong with a mean loss, or None.

    Args:
        base_rate: the forecast that it is compared with.
        targets: (n,) of the samples that it was taken over.
    """
    if not math.isfinite(loss):
        return f"the {name} became {loss}"
    reference = max(base_rate.loss, base_rate.loss_on(targets))
    if loss > LARGEST * reference:
        forecast = "base rate" if base_rate.binary else "mean"
        return (
            f"the {name} became {loss:.3g}, over {LARGEST:.0f} times the "
            f"{forecast}'s {reference:.3g}"
        )
    return None


def update_problem(
    loss: float, grad_norm: float, base_rate: BaseRateForecast, targets: Float[np.ndarray, " n"]
) -> str | None:
    """What is wrong with an update, or None."""
    if not math.isfinite(grad_norm) and math.isfinite(loss):
        return f"the norm of the gradients became {grad_norm}"
    return loss_problem("loss", loss, base_rate, targets)


def array_problem(name: str, arrays: dict[str, mx.array]) -> str | None:
    """What is wrong with weights or moments, or None: one pass over them on the device."""
    floats = [value for value in arrays.values() if mx.issubdtype(value.dtype, mx.floating)]
    if not floats or _all_finite(floats):
        return None
    return f"the {name} are not finite"


def _all_finite(arrays: list[mx.array]) -> bool:
    finite = mx.all(mx.stack([mx.all(mx.isfinite(value)) for value in arrays]))
    return bool(transfer.on_host(finite))


def describe_batch(
    step: int,
    per_epoch: int,
    rows: Integer[np.ndarray, " n"],
    dates: Shaped[np.ndarray, " n"] | None,
) -> str:
    """Which samples an update saw.

    Args:
        step: updates done, this one included. per_epoch: updates an epoch.
        rows: (n,) of the batch's decision bars. dates: (n,) datetime64[D] of them, if known.
    """
    samples = f"{len(rows)} samples of rows {_span(rows)}"
    days = "" if dates is None else f", decided {_span(dates)}"
    return f"step {step} of epoch {(step - 1) // per_epoch + 1}: {samples}{days}"


def _span(values: Shaped[np.ndarray, " n"]) -> str:
    low, high = values.min(), values.max()
    return f"{low} to {high}"
