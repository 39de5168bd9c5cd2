"""How far two libraries' gradients are apart: what comes before their speed is compared."""

import numpy as np
import pytest

from benchmarks.contenders.case import FLOOR, gradient_difference

RNG = np.random.default_rng(0)
THEIRS = {
    "large": RNG.standard_normal((64, 64)).astype(np.float32),
    "small": 0.05 * RNG.standard_normal(8).astype(np.float32),
    "none": 1e-6 * RNG.standard_normal(8).astype(np.float32),
}


def test_the_same_gradients_do_not_differ() -> None:
    assert gradient_difference(THEIRS, THEIRS) == 0.0


def test_one_wrong_tensor_shows_however_small_it_is_beside_the_others() -> None:
    wrong = {**THEIRS, "small": 1.1 * THEIRS["small"]}
    whole = np.sqrt(sum(np.sum((wrong[name] - THEIRS[name]) ** 2) for name in THEIRS))
    assert whole / np.linalg.norm(THEIRS["large"]) < 1e-3  # all together hide it
    assert gradient_difference(wrong, THEIRS) == pytest.approx(0.1, rel=1e-5)


def test_rounding_of_a_gradient_that_is_nothing_does_not_show() -> None:
    rounded = {**THEIRS, "none": 2 * THEIRS["none"]}
    assert 0 < gradient_difference(rounded, THEIRS) < 1e-4
    shifted = {**THEIRS, "none": THEIRS["none"] + 1.0}
    largest = np.sqrt(8) / (
        FLOOR * np.linalg.norm(np.concatenate([v.ravel() for v in THEIRS.values()]))
    )
    assert gradient_difference(shifted, THEIRS) == pytest.approx(largest, rel=1e-5)
