"""Bad inputs end in one line: a sample of what `benchmarks/bad_inputs.py` goes through."""

from collections.abc import Generator

import pytest

from benchmarks.bad import arguments, damage, surroundings, world
from benchmarks.bad.case import Bench, Case
from benchmarks.bad.server import Server

RUN = arguments.RUN
RUNS = f"outputs/runs/{RUN}*"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Generator[Bench]:
    folder = tmp_path_factory.mktemp("bad")
    world.build(folder / "template", small=True)
    with Server() as server:
        yield Bench(folder / "template", folder, server)


def _chosen() -> list[Case]:
    """A few of each kind, the quick ones."""
    quick = {("runs",), ("data", "list"), ("check", "data"), ("scaling", "ledger"),
             ("export", RUN, "--to", "npz"), ("predict", RUN)}  # fmt: skip
    damaged = [c for c in damage.cases() if tuple(c.arguments) in quick]
    refused = [c for c in arguments.cases() if c.arguments[0] in ("evaluate", "data", "features")]
    full = [c for c in surroundings.cases() if c.arguments[:2] == ["scaling", "ledger"]]
    environment = [c for c in surroundings.cases() if c.what.endswith("(list)")]
    return [*damaged[::23], *refused[::61], *full[1::3], *environment[::3]]


@pytest.mark.parametrize("case", _chosen(), ids=lambda case: f"{case.kind}: {case.what}"[:90])
def test_a_bad_input_is_refused_or_told(bench: Bench, case: Case) -> None:
    ended = bench.run(case)
    assert ended.judged in ("refused", "told", "mended", "not read"), ended.outcome.err
    assert ended.litter == ()


def test_every_command_has_a_call_that_the_sweep_begins_from() -> None:
    found = list(arguments.cases())
    assert len(found) > 300
    assert len({(case.what, *case.arguments) for case in found}) == len(found)
