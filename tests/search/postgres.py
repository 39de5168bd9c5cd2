"""A PostgreSQL server of the tests' own; a test that asks for it is skipped where there is none."""

import os
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from benchmarks import postgres
from benchmarks.postgres import Server


@contextmanager
def server() -> Generator[Server]:
    """Start a server and give it; in CI there must be one."""
    try:
        with postgres.server() as one:
            yield one
    except postgres.Missing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}; CI must have one")
        pytest.skip(str(missing))
