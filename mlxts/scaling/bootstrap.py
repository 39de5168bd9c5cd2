"""The hierarchical bootstrap: dates first, the same for all runs, then seeds within a rung.

Dates come in blocks (`evaluation/block_bootstrap.py`); one draw of dates serves every run, baseline
and cell, so that every comparison stays paired. Seeds are drawn with replacement within a rung. Of
five seeds such a draw varies less than five seeds do, by (S - 1) / S: deviations are stretched by
sqrt(S / (S - 1)) (Rao, Wu 1988). A rung of one seed borrows the deviation of a run of another.

Draws of few blocks, and of labels that overlap, vary less than the figures do (see
`BlockBootstrap.level`). Laws, verdicts and mixed models take intervals, p-values and choices
from the draws themselves, so for them `draw` moves each away from the table by
`BlockBootstrap.widening`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlxts.evaluation.block_bootstrap import DRAWS, BlockBootstrap
from mlxts.scaling.loss_table import LossTable

_LEAST = 0.01  # of the table's own mean: losses are positive, moved draws of them stay so


@dataclass(frozen=True)
class Draws:
    """Means over dates and seeds; row 0 is the table itself, the others are B bootstrap draws.

    Attributes:
        runs: (B + 1, R) mean loss of each run, seeds not drawn.
        rungs: (B + 1, K) mean loss of each rung.
        har, linear, reference, prior: (B + 1,).
        seed_noise: whether any rung has several seeds, or none could matter; else intervals know
            of dates alone.
    """

    runs: np.ndarray
    rungs: np.ndarray
    har: np.ndarray
    linear: np.ndarray
    reference: np.ndarray
    prior: np.ndarray
    seed_noise: bool


def date_weights(tables: Sequence[LossTable], *, draws: int = DRAWS, seed: int = 0):
    """For each table the (T, B + 1) counts of its dates, drawn once for all tables.

    Blocks are drawn on the union of the dates, the longest block of any table for all.
    """
    union = np.unique(np.concatenate([table.dates for table in tables]))
    spacing = min(table.spacing for table in tables)
    horizon = max(table.horizon for table in tables)
    longest = max(table.bootstrap.block for table in tables)
    weights = BlockBootstrap(union, horizon, spacing, longest).weights(draws, seed)
    return [weights[np.searchsorted(union, table.dates)] for table in tables]


def draw(table: LossTable, weights: np.ndarray, *, seed: int = 0, widen: float = 1.0) -> Draws:
    """Draw seeds under given draws of dates.

    Args:
        weights: (T, B + 1) of `date_weights`; column 0 counts every date once.
        seed: of the seeds' draws.
        widen: how far to move the draws of dates away from the table; 1: as they are drawn.
    """
    total = weights.sum(axis=0)
    whole = slice(None)

    def moved(losses: np.ndarray, rows: np.ndarray | slice = whole) -> np.ndarray:
        """The part of the mean that some rows have in each draw, moved away from the table."""
        weighted_means = weights[rows].T @ losses[rows]
        weighted_means = weighted_means / (total[:, None] if losses.ndim > 1 else total)
        return (
            weighted_means
            if widen == 1.0
            else weighted_means[0] + widen * (weighted_means - weighted_means[0])
        )

    def means(losses: np.ndarray) -> np.ndarray:
        weighted_means = moved(losses)
        return (
            weighted_means
            if widen == 1.0
            else np.maximum(weighted_means, _LEAST * weighted_means[0])
        )

    # At each forecast origin the seeds of a size are networks of their own, so they are drawn anew.
    rng = np.random.default_rng(seed)
    origins = [whole]
    if table.origins is not None:
        origins = [table.origins == origin for origin in np.unique(table.origins)]
    shares = (seed_shares(table.rung_of_run, len(total) - 1, rng) for _ in origins)
    parts = zip(shares, origins, strict=True)
    rungs = sum(np.einsum("bkr,br->bk", s, moved(table.losses, rows)) for s, rows in parts)
    return Draws(
        runs=means(table.losses),
        rungs=rungs if widen == 1.0 else np.maximum(rungs, _LEAST * rungs[0]),
        har=means(table.har),
        linear=means(table.linear),
        reference=means(table.reference),
        prior=means(table.prior),
        seed_noise=table.deterministic or bool((table.seeds > 1).any()),
    )


def seed_shares(rung_of_run: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(B + 1, K, R): how much each run counts in the mean of each rung in each draw.

    The shares of a rung sum to one. Row 0 is the plain mean.
    """
    count = int(rung_of_run.max()) + 1
    members = [np.flatnonzero(rung_of_run == rung) for rung in range(count)]
    shares = np.zeros((draws + 1, count, len(rung_of_run)))
    # Run minus its rung's mean, stretched, for every run of a rung with several.
    lenders = [(run, group) for group in members if len(group) > 1 for run in group]
    for rung, group in enumerate(members):
        size = len(group)
        shares[:, rung, group] = 1.0 / size
        if size > 1:
            counts = rng.multinomial(size, np.full(size, 1.0 / size), size=draws)
            shares[1:, rung, group] += (counts - 1.0) / size * np.sqrt(size / (size - 1))
        elif lenders:
            for number, chosen in enumerate(rng.integers(len(lenders), size=draws), start=1):
                run, others = lenders[chosen]
                stretch = np.sqrt(len(others) / (len(others) - 1))
                shares[number, rung, run] += stretch
                shares[number, rung, others] -= stretch / len(others)
    return shares


def redraw_seeds(runs: np.ndarray, rung_of_run: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Redraw seeds by run, as `draw` does by size: each run gets the seed error of a run of its
    size.

    Args:
        runs: (B + 1, R) of `Draws.runs`; row 0 stays. A size with one seed keeps its own error.

    Returns:
        (B + 1, R).
    """
    rng, redrawn = np.random.default_rng(seed), runs.copy()
    for rung in np.unique(rung_of_run):
        group = np.flatnonzero(rung_of_run == rung)
        size = len(group)
        if size < 2:
            continue
        group_draws = runs[1:, group]
        mean = group_draws.mean(axis=1, keepdims=True)
        picks = rng.integers(size, size=group_draws.shape)
        lucky = np.take_along_axis(group_draws, picks, axis=1)
        redrawn[1:, group] = mean + (lucky - mean) * np.sqrt(size / (size - 1))
    return redrawn
