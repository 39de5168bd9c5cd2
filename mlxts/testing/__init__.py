"""Conformance tests of sources, sensors, trackers, baselines and networks, to subclass.

An extension, in this repository or another, subclasses a suite and returns from a fixture what is
to be tested; pytest does the rest (docs/extending.md). Nothing in `mlxts` imports this package,
which needs pytest.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{name}" for name in ("baselines", "networks", "sensors", "sources", "trackers"))
)
