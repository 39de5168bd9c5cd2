"""Cutting a window into patches, aligned to its newest bar."""

import mlx.core as mx


def patch_count(context: int, length: int, stride: int) -> int:
    """P: how many whole patches a window of `context` bars holds."""
    return (context - length) // stride + 1


def patch_rows(context: int, length: int, stride: int) -> mx.array:
    """(P, L) int32: the bars of each patch, oldest patch first.

    The last patch ends on the last bar. Where (context - length) is no multiple of the stride,
    the *oldest* bars are left out: unfolding from the start would drop the newest, which hold
    most of what is known about tomorrow.
    """
    count = patch_count(context, length, stride)
    oldest = (context - length) % stride
    starts = oldest + stride * mx.arange(count, dtype=mx.int32)
    return starts[:, None] + mx.arange(length, dtype=mx.int32)[None, :]


def patches(x: mx.array, rows: mx.array) -> mx.array:
    """(B, T, C) -> (B, P, L, C) with `rows` from `patch_rows`."""
    return x[:, rows]
