"""Intervals of few bootstrap draws, for tests of what is around them: imported first.

Two thousand draws are a third of what a tiny run costs. Tests of the intervals themselves name
their own number, and what documents say of draws stays.
"""

import inspect

import pytest

from mlxts.evaluation import block_bootstrap

FEW = 200
_stated = block_bootstrap.DRAWS
block_bootstrap.DRAWS = FEW  # ty: ignore[invalid-assignment]
# Whoever draws by default binds the number now.
from mlxts.evaluation import diagnostics, paired_comparison, score  # noqa: E402, F401
from mlxts.report import run_figure  # noqa: E402, F401

block_bootstrap.DRAWS = _stated


def state_the_default(patch: pytest.MonkeyPatch) -> None:
    """For what prints signatures: the default number of draws is that of the package again."""
    for function in (score.score, paired_comparison.compare):
        patch.setitem(inspect.unwrap(function).__kwdefaults__, "draws", _stated)
