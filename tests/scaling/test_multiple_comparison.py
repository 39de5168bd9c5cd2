"""Tests of many models find what is there, and not what is not."""

from dataclasses import replace

import numpy as np
from arch.bootstrap import MCS, SPA, StepM

from mlxts.scaling import synthetic
from mlxts.scaling.multiple_comparison import compare

TRUTH = np.array([0.47, 0.44, 0.40])
SIZES = synthetic.SIZES[::2]


def table(truth: np.ndarray = TRUTH):
    quiet = synthetic.Noise(paired=0.002)
    return synthetic.table(truth, np.random.default_rng(0), sizes=SIZES, seeds=2, noise=quiet)


def test_the_one_that_beats_har_is_named() -> None:
    found = compare(table(), draws=200)
    assert found.superior == (2,)
    assert found.confidence_set == (2,)
    assert found.p_superior < 0.05
    assert found.p_best[2] == 1.0


def test_equals_cannot_be_told_apart() -> None:
    found = compare(table(np.full(3, synthetic.LOSS + 0.01)), draws=200)
    assert found.superior == ()
    assert found.p_superior > 0.2
    assert len(found.confidence_set) > 1


def test_sizes_that_say_the_very_same_are_one() -> None:
    losses = table()
    twins = replace(losses, losses=losses.losses[:, [0, 1, 4, 5, 4, 5]])
    found = compare(twins, draws=200)
    assert found.confidence_set == (1, 2)
    assert found.p_best[1] == found.p_best[2] == 1.0
    same = replace(losses, losses=np.repeat(losses.losses[:, :1], 6, axis=1))
    assert compare(same, draws=60).confidence_set == (0, 1, 2)


def test_losses_are_means_over_seeds_and_blocks_are_ours() -> None:
    losses = replace(table(np.array([0.446, 0.445, 0.444])), horizon=60)
    means = losses.losses.reshape(len(losses.dates), 3, 2).mean(axis=2)
    block = losses.bootstrap.block
    assert block == 60
    spa = SPA(losses.har, means, reps=150, block_size=block, seed=np.random.default_rng(3))
    spa.compute()
    assert compare(losses, draws=150, seed=3).p_superior == spa.pvalues["consistent"]
    mcs = MCS(means, 0.05, reps=150, block_size=block, seed=np.random.default_rng(3))
    mcs.compute()
    p_values = mcs.pvalues["Pvalue"].sort_index()
    assert compare(losses, draws=150, seed=3).p_best == tuple(p_values)
    assert compare(losses, draws=150) == compare(losses, draws=150, seed=0)


def test_a_gain_of_one_long_spell_needs_more_than_short_blocks_to_be_superior():
    losses = table(np.full(3, synthetic.LOSS))
    half = len(losses.dates) // 2
    gain = np.r_[np.full(half, 0.03), np.full(len(losses.dates) - half, -0.01)]
    means = losses.har[:, None] - gain[:, None] * [0.0, 0.0, 1.0] + [0.001, 0.001, 0.0]
    means += 1e-4 * np.random.default_rng(0).normal(size=means.shape)
    spell = replace(losses, losses=np.repeat(means, 2, axis=1), horizon=60)
    block = spell.bootstrap.block
    assert block > 60  # the gain remembers longer than labels overlap
    superior = [compare(spell, draws=20, seed=seed).superior for seed in range(12)]
    expected = {}
    for size in (22, block):
        expected[size] = []
        for seed in range(12):
            step = StepM(
                losses.har, means, 0.05, reps=20, block_size=size, seed=np.random.default_rng(seed)
            )
            step.compute()
            expected[size].append(tuple(step.superior_models))
    assert superior == expected[block]
    assert superior.count((2,)) < expected[22].count((2,))
