import re

import pytest

from mlxts.console import words
from mlxts.training.events import ThermalEvent
from tests.console.events import heat


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (float("inf"), "–"),
        (0, "0:00"),
        (59.6, "1:00"),
        (187, "3:07"),
        (3727, "1:02:07"),
        (183845, "2d 3:04:05"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (312 << 20, "312 MiB"),
        (1288490188, "1.2 GiB"),
        (3 << 40, "3.0 TiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert words.size(count) == text


def test_rates_and_spans() -> None:
    assert words.rate(1234.4) == "1,234 samples/s"
    assert words.rate(8.44) == "8.4 samples/s"
    assert words.span(0.0523) == "52.3 ms"
    assert words.span(4.213) == "4.21 s"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (heat(), "CPU 71 · GPU 68 · max 88 °C · Nominal · smc"),
        (heat(gpu=None, pressure=None), "CPU 71 · max 88 °C · smc"),
        (heat(cpu=None, gpu=None), "die 71 · max 88 °C · Nominal · smc"),
        (heat(cpu=None, gpu=None, hottest=None, probes=0), "71 °C · Nominal · smc"),
    ],
)
def test_heat_leaves_out_what_is_not_known(event: ThermalEvent, text: str) -> None:
    assert words.temperature(event) == text


@pytest.mark.parametrize("source", ["none", "off", "smc", "pressure"])
def test_what_is_unavailable_is_never_a_number(source: str) -> None:
    text = words.temperature(ThermalEvent(0, "unavailable", None, source, ""))
    assert not re.search(r"\d|°", text)
    assert ("off" if source == "off" else "unavailable") in text
