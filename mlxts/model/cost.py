"""What a shape costs: floating-point operations and bytes, counted, not measured."""

from mlxts.model.budget import count
from mlxts.model.patchtst import Shape

_FLOAT = 4  # bytes
_COPIES = 4  # weights, gradients, and AdamW's two moments


def forward_flops(shape: Shape) -> int:
    """Multiplications and additions of one window's forward pass (matrix products only).

    Embedding and head are counted: at small widths they are no small part (Porian et al. 2024).
    """
    P, D, F, K = shape.patches, shape.width, shape.features, shape.factor
    if shape.channels == "mixing":
        embed = shape.context * F * K + P * shape.patch_length * K * D
        head = P * D
    else:
        embed = F * P * shape.patch_length * D
        head = F * P * D * K + F * K
    layer = P * (4 * D * D + 2 * D * shape.hidden) + 2 * P * P * D
    return 2 * (embed + shape.sequences * shape.depth * layer + head)


def training_flops(shape: Shape, samples: int) -> int:
    """Of one optimizer step over `samples` windows: the backward pass costs two forwards."""
    return 3 * samples * forward_flops(shape)


def activation_bytes(shape: Shape, samples: int) -> int:
    """What the backward pass needs to keep of `samples` windows, float32, without checkpointing.

    A layer keeps its two normalised inputs, Q, K, V, the attention weights and their output, the
    residuals and dropout masks (10 D a patch in all), and four arrays of hidden units (before and
    after GELU, its mask, its gradient).
    """
    P, D = shape.patches, shape.width
    layer = P * (10 * D + 4 * shape.hidden) + 2 * shape.heads * P * P
    window = 3 * shape.context * shape.features + 3 * P * shape.patch_length * (
        shape.factor if shape.channels == "mixing" else shape.features
    )
    return _FLOAT * samples * (shape.sequences * (shape.depth * layer + 4 * P * D) + window)


def step_bytes(shape: Shape, micro_batch: int, feature_bytes: int) -> int:
    """Peak memory of training: model, optimizer, one micro-batch and the shared feature array."""
    parameters = _FLOAT * _COPIES * count(shape).total
    return parameters + activation_bytes(shape, micro_batch) + feature_bytes
