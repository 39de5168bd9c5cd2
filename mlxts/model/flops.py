"""What a shape costs: floating-point operations and bytes, counted, not measured."""

from typing import Literal

from mlxts.model.parameter_budget import count
from mlxts.model.patchtst import Shape

Precision = Literal["float32", "bfloat16"]
_BYTES: dict[Precision, int] = {"float32": 4, "bfloat16": 2}
_FLOAT = _BYTES["float32"]
_EVALUATED_AT_ONCE = 32
_ANEW = 0.4  # floats a parameter: at 200M five of the largest tensors with their moments


def forward_flops(shape: Shape) -> int:
    """Multiplications and additions of one window's forward pass (matrix products only).

    Embedding and head are counted: at small widths they are no small part (Porian et al. 2024).
    """
    P, D, F, K = shape.patches, shape.d_model, shape.features, shape.rank
    if shape.channels == "mixing":
        embed = shape.context * F * K + P * shape.patch_length * K * D
        head = shape.pooled
    else:
        embed = F * P * shape.patch_length * D
        head = F * shape.pooled * K + F * K
    layer = P * (4 * D * D + 2 * D * shape.ffn_dim) + 2 * P * P * D
    return 2 * (embed + shape.sequences * shape.depth * layer + head)


def training_flops(shape: Shape, samples: int) -> int:
    """Of one optimizer step over `samples` windows: the backward pass costs two forwards."""
    return 3 * samples * forward_flops(shape)


def activation_bytes(
    shape: Shape, samples: int, *, precision: Precision = "float32", checkpointing: bool = False
) -> int:
    """The most that the two passes over `samples` windows hold besides weights and gradients.

    In numbers a token, as counted on the compiled step with MLX's own peak (float32, within 10 %
    from D = 24 to 192, of checkpoints within 10 % from D = 72 and too much below; the calibration
    of `mlxts batch-size` takes out what is left):

    - each layer keeps 14 D (two normalised inputs, Q, K, V, what attention makes of them, the
      residuals, masks), four times its hidden units and 1.5 attention weights for each head; with
      `checkpointing` only its input, D, and one and a half layers where it is computed again;
    - the layer whose gradient is being computed needs 18 D and six times the hidden units more.

    Before the encoder has begun, gathering and normalising a window takes four copies of it.
    """
    P, D = shape.patches, shape.d_model
    layer = 14 * D + 4 * shape.ffn_dim + 3 * shape.heads * P // 2
    stored = shape.depth * D + 3 * layer // 2 if checkpointing else shape.depth * layer
    tokens = shape.sequences * P * (stored + 18 * D + 6 * shape.ffn_dim)
    return _BYTES[precision] * samples * max(_inputs(shape, tokens))


def forward_bytes(shape: Shape, samples: int) -> int:
    """The most that a forward pass over `samples` windows holds, float32, counted likewise."""
    tokens = shape.sequences * shape.patches * (30 * shape.d_model + 2 * shape.ffn_dim)
    return _FLOAT * samples * max(_inputs(shape, tokens))


def evaluation_batch(shape: Shape, micro_batch: int) -> int:
    """How many windows to score at once: 32 or more, unless that took more than training does."""
    room = activation_bytes(shape, micro_batch, checkpointing=True)
    fitting = room // forward_bytes(shape, 1)
    return max(micro_batch, min(_EVALUATED_AT_ONCE, fitting))


def resting_bytes(shape: Shape, precision: Precision = "float32") -> int:
    """Between two steps: weights and AdamW's two moments, always float32.

    In bfloat16 the passes read a rounded copy of the weights, and its gradients come back so.
    """
    rounded = 0 if precision == "float32" else 2 * _BYTES[precision]
    return (3 * _FLOAT + rounded) * count(shape).total


def gradient_bytes(shape: Shape) -> int:
    """One set of gradients, float32."""
    return _FLOAT * count(shape).total


def update_bytes(shape: Shape) -> int:
    """While AdamW works: weights, moments and gradients, and the new ones of a few tensors.

    MLX hands out the work of a step ahead of time. Without a limit (`largest_bytes`) it would have
    allocated all weights and moments anew, 28 bytes a parameter, before the first old one is free.
    """
    return round((4 + _ANEW) * _FLOAT * count(shape).total)


def largest_bytes(
    shape: Shape,
    samples: int,
    parts: int = 1,
    *,
    precision: Precision = "float32",
    checkpointing: bool = False,
) -> int:
    """From how much memory on MLX should wait for the device instead of allocating more.

    For an update over `parts` micro-batches of `samples` windows: what the update of the weights
    needs, or the passes with twice the activations counted, which must never wait.
    """
    activations = activation_bytes(shape, samples, precision=precision, checkpointing=checkpointing)
    summed = gradient_bytes(shape) if parts > 1 else 0
    passes = resting_bytes(shape, precision) + 2 * activations + 2 * summed
    return max(update_bytes(shape), passes)


def _inputs(shape: Shape, tokens: int) -> tuple[int, int]:
    """Numbers a window, while it is gathered, and while the encoder works on `tokens`."""
    window = shape.context * shape.features
    patched = (
        shape.patches
        * shape.patch_length
        * (shape.rank if shape.channels == "mixing" else shape.features)
    )
    return 4 * window, window + patched + tokens
