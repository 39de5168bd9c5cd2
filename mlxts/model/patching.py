"""Cutting a window into patches, aligned to its newest bar."""

import math

import mlx.core as mx
from jaxtyping import Float


def patch_count(context: int, length: int, stride: int) -> int:
    """P: how many whole patches a window of `context` bars holds."""
    return (context - length) // stride + 1


def patches(
    x: Float[mx.array, "B T C"], length: int, stride: int
) -> Float[mx.array, "B P {length} C"]:
    """Patches, the oldest first; the last one ends on the last bar.

    Where (T - length) is no multiple of the stride, the *oldest* bars are left out: unfolding from
    the start would drop the newest, which hold most of what is known about tomorrow.

    A patch is made of whole blocks of gcd(length, stride) bars, and the j-th blocks of all patches
    are a slice. Picking bars by index instead would have a gradient that adds by scattering: where
    a bar lies in more than two patches its last bits are then left to the order in which a GPU's
    threads come by.
    """
    B, T, C = x.shape
    block = math.gcd(length, stride)
    span = (patch_count(T, length, stride) - 1) * stride // block + 1
    blocks = x[:, (T - length) % stride :].reshape(B, -1, block, C)
    shifted = [blocks[:, j : j + span : stride // block] for j in range(length // block)]
    return mx.concatenate(shifted, axis=2)
