import math
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.thermal.sensors.base import Pressure, Probe, Sample, highest, is_plausible

values = st.floats(-100, 300) | st.sampled_from([0.0, 9.99, 10.0, 150.0, math.nan, math.inf])
probes = st.lists(
    st.builds(
        Probe,
        st.sampled_from(["a", "b"]),
        st.sampled_from(["cpu", "gpu", "soc", "spot"]),
        values,
        st.integers(0, 2),
    ),
    max_size=12,
).map(tuple)


@settings(max_examples=60)
@given(probes)
def test_the_figure_is_the_larger_of_the_group_means(given: tuple[Probe, ...]) -> None:
    sample = Sample(given)
    sane = [p for p in given if math.isfinite(p.celsius) and 10 <= p.celsius < 150]

    def mean(group: str) -> float | None:
        dies = {p.die for p in sane if p.group == group}
        means = [fmean(p.celsius for p in sane if (p.group, p.die) == (group, d)) for d in dies]
        return max(means) if means else None

    named = [m for m in (mean("cpu"), mean("gpu")) if m is not None]
    assert sample.temperature == (max(named) if named else mean("soc"))
    assert sample.hottest == max((p.celsius for p in sane), default=None)


@settings(max_examples=60)
@given(probes, st.randoms(use_true_random=False))
def test_the_order_of_probes_does_not_matter(given: tuple[Probe, ...], random) -> None:
    shuffled = list(given)
    random.shuffle(shuffled)
    one, other = Sample(given).temperature, Sample(tuple(shuffled)).temperature
    assert one == (None if other is None else pytest.approx(other, rel=1e-12, abs=0.0))


def test_hot_spots_do_not_rule() -> None:
    cores = tuple(Probe(f"Tp{i:02}", "cpu", 70.0) for i in range(18))
    sample = Sample((*cores, Probe("Tp99", "cpu", 98.0)))
    assert sample.hottest == 98.0
    assert sample.temperature is not None
    assert sample.temperature < 72.0


def test_an_idle_card_does_not_hide_a_busy_one() -> None:
    cards = (Probe("gpu0", "gpu", 91.0, die=0), Probe("gpu1", "gpu", 33.0, die=1))
    assert Sample(cards).temperature == 91.0


def test_no_probe_is_no_temperature() -> None:
    assert Sample().temperature is None
    assert Sample().hottest is None


def test_the_edges_of_what_is_plausible() -> None:
    assert [is_plausible(v) for v in (9.999, 10.0, 149.999, 150.0)] == [False, True, True, False]


def test_the_highest_pressure_that_is_known() -> None:
    assert highest([None, Pressure.MODERATE, Pressure.NOMINAL]) is Pressure.MODERATE
    assert highest([None]) is None
