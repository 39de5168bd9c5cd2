import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxts.config.monitoring import ThermalConfig
from mlxts.errors import ConfigError, RunError
from mlxts.thermal import guard as guard_module
from mlxts.thermal import sensors
from mlxts.thermal.guard import Guard
from mlxts.thermal.sensors import Choice
from mlxts.thermal.sensors.base import Probe, Sample
from mlxts.training.events import Event, PauseEvent, ResumeEvent, ThermalEvent


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.002)


def scripted(folder: Path, trace: str, **options: Any) -> ThermalConfig:
    path = folder / "trace.yaml"
    path.write_text(trace)
    given: dict[str, Any] = {"poll_seconds": 0.005, **options}
    return ThermalConfig(sensor=f"scripted:{path}", **given)


def messages(events: list[Event]) -> list[str]:
    return [e.message for e in events if isinstance(e, ThermalEvent) and e.message]


class Hand:
    """A sensor in the test's hand: what it says can be changed, raised or withheld."""

    name = "hand"

    def __init__(self, celsius: float | None) -> None:
        self.celsius, self.error = celsius, None
        self.gate = threading.Event()
        self.gate.set()
        self.reads, self.closed = 0, 0

    def read(self) -> Sample:
        self.gate.wait()
        self.reads += 1
        if self.error:
            raise self.error
        return Sample(() if self.celsius is None else (Probe("hand", "cpu", self.celsius),))

    def dump(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    sensor = Hand(60.0)
    choice = Choice((sensor,), "hand", "in the test's hand")
    monkeypatch.setattr(sensors, "choose", lambda spec: choice)
    return sensor


QUICK = ThermalConfig(poll_seconds=0.005)


def test_a_hot_run_is_told_to_stop_and_why(tmp_path: Path) -> None:
    events: list[Event] = []
    config = scripted(tmp_path, "[60, 60, {cpu: 97, hot: 104}]")
    with Guard(config, events.append, clock=lambda: 0.0) as guard:
        assert guard.check(1).kind == "continue"
        until(lambda: guard.check(7).kind == "stop")
        assert guard.check(8).reason == "97 °C, critical in 2 readings in a row"
    assert messages(events)[-2:] == [
        "critical: 97 °C",
        "stopping: 97 °C, critical in 2 readings in a row",
    ]
    last = events[-1]
    assert isinstance(last, ThermalEvent)
    assert (last.band, last.source, last.hottest, last.step) == ("critical", "scripted", 104.0, 7)


def test_a_pause_lasts_until_it_is_cool(hand: Hand) -> None:
    events: list[Event] = []
    hand.celsius = 88.0
    config = ThermalConfig(poll_seconds=0.005, pause=True)
    with Guard(config, events.append, step=100) as guard:
        until(lambda: guard.check(101).kind == "pause")
        cooling = threading.Timer(0.1, lambda: setattr(hand, "celsius", 70.0))
        cooling.start()
        assert guard.wait_until_cool(101).kind == "continue"
        assert guard.check(102).kind == "continue"
        assert guard.summary()["paused_seconds"] >= 0.09
    (pause,) = [e for e in events if isinstance(e, PauseEvent)]
    (resume,) = [e for e in events if isinstance(e, ResumeEvent)]
    assert pause.reason == "88 °C; waiting for 75 °C"
    assert resume.seconds >= 0.09
    assert events.index(pause) < events.index(resume)


def test_a_pause_that_gets_worse_is_a_stop(hand: Hand) -> None:
    events: list[Event] = []
    hand.celsius = 88.0
    with Guard(ThermalConfig(poll_seconds=0.005, pause=True), events.append) as guard:
        hand.celsius = 99.0
        assert guard.wait_until_cool(3).kind == "stop"
    assert not [e for e in events if isinstance(e, ResumeEvent)]


def test_a_pause_can_be_cancelled(hand: Hand) -> None:
    hand.celsius = 88.0
    with Guard(ThermalConfig(poll_seconds=0.005, pause=True), lambda _: None) as guard:
        calls = iter([False, False, True])
        assert guard.wait_until_cool(3, cancelled=lambda: next(calls)).kind == "pause"


def test_waiting_without_need_returns_at_once(hand: Hand) -> None:
    events: list[Event] = []
    with Guard(QUICK, events.append) as guard:
        began = time.monotonic()
        guard.wait_until_cool(1)
        assert time.monotonic() - began < 1.0
    assert not [e for e in events if isinstance(e, PauseEvent)]


def test_listeners_are_called_on_the_loop_s_own_thread(tmp_path: Path) -> None:
    threads: set[int] = set()
    config = scripted(tmp_path, "[60, 60, 88, 88, 88, null, null, null, 97, 97, 97]")
    with Guard(config, lambda _: threads.add(threading.get_ident())) as guard:
        until(lambda: guard.check(1).kind == "stop")
    assert threads == {threading.get_ident()}


def test_the_thread_ends_and_the_sensor_is_given_back(hand: Hand) -> None:
    with pytest.raises(KeyError), Guard(QUICK, lambda _: None) as guard:
        thread = guard._thread
        until(lambda: hand.reads > 3)
        raise KeyError
    assert thread is not None
    assert not thread.is_alive()
    assert hand.closed == 1


def test_a_lost_sensor_warns_or_stops_as_asked(hand: Hand) -> None:
    for on_unavailable, kind in (("warn", "continue"), ("stop", "stop")):
        events: list[Event] = []
        hand.celsius = 60.0
        config = ThermalConfig.model_validate(
            {"poll_seconds": 0.005, "on_unavailable": on_unavailable}
        )
        with Guard(config, events.append) as guard:
            hand.celsius = None
            until(lambda: guard.summary()["readings_in_band"]["unavailable"] > 0)
            assert guard.check(5).kind == kind
        assert any("unavailable" in text or "no temperature" in text for text in messages(events))


def test_an_error_in_a_sensor_is_a_missing_reading_not_the_end_of_watching(hand: Hand) -> None:
    events: list[Event] = []
    with Guard(QUICK, events.append) as guard:
        hand.error = OSError("bus fault")
        until(lambda: guard.summary()["readings_in_band"]["unavailable"] > 0)
        guard.check(5)
        assert messages(events)[-1] == "temperature unavailable (hand: bus fault)"
        hand.error, hand.celsius = None, 99.0
        until(lambda: guard.check(6).kind == "stop")


def test_a_sensor_that_hangs_counts_as_lost(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "SILENT_SECONDS", 0.2)
    events: list[Event] = []
    config = ThermalConfig(poll_seconds=0.005, on_unavailable="stop")
    with Guard(config, events.append) as guard:
        hand.gate.clear()
        until(lambda: guard.check(5).kind == "stop")
        assert "hangs" in messages(events)[-1]
        hand.gate.set()


def test_after_a_suspension_a_new_reading_is_awaited(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0] * 3 + [1e6] * 1000)
    events: list[Event] = []
    config = ThermalConfig(poll_seconds=0.005, on_unavailable="stop")
    with Guard(config, events.append, clock=lambda: next(clock)) as guard:
        assert guard.check(1).kind == "continue"
    assert not any("hangs" in text for text in messages(events))


def test_routine_readings_are_told_now_and_then(hand: Hand) -> None:
    now = 0.0
    events: list[Event] = []
    with Guard(ThermalConfig(poll_seconds=60), events.append, clock=lambda: now) as guard:
        for tenth in range(1, 200):
            now = tenth / 10
            guard.check(tenth)
    routine = [e for e in events if isinstance(e, ThermalEvent) and not e.message]
    assert len(routine) == 3
    assert routine[0].cpu == 60.0


def test_the_first_event_says_which_sensor_rules(tmp_path: Path) -> None:
    events: list[Event] = []
    config = scripted(tmp_path, "[61]")
    with Guard(config, events.append, step=400):
        pass
    first = events[0]
    assert isinstance(first, ThermalEvent)
    assert (first.step, first.temperature, first.band) == (400, 61.0, "normal")
    assert first.message.startswith("temperature from scripted: played from ")


def test_starting_hot_is_said(hand: Hand) -> None:
    hand.celsius = 90.0
    events: list[Event] = []
    with Guard(QUICK, events.append) as guard:
        guard.check(1)
    assert "warning: 90 °C" in messages(events)


def test_switched_off_it_watches_nothing_and_says_so() -> None:
    events: list[Event] = []
    config = ThermalConfig(sensor="off", on_unavailable="stop")
    with Guard(config, events.append, clock=lambda: 0.0) as guard:
        assert guard._thread is None
        assert guard.check(1).kind == "continue"
    (event,) = events
    assert isinstance(event, ThermalEvent)
    assert (event.source, event.temperature) == ("off", None)


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sensors, "choose", lambda spec: Choice((), "none", "no temperature can be read here")
    )


@pytest.mark.usefixtures("bare_machine")
def test_without_a_sensor_training_goes_on_and_is_told() -> None:
    events: list[Event] = []
    with Guard(ThermalConfig(), events.append, clock=lambda: 0.0) as guard:
        assert guard.check(1).kind == "continue"
    (event,) = events
    assert isinstance(event, ThermalEvent)
    assert event.message == "temperature unavailable: no temperature can be read here"
    assert (event.band, event.temperature) == ("unavailable", None)


@pytest.mark.usefixtures("bare_machine")
def test_without_a_sensor_it_does_not_start_if_so_asked() -> None:
    guard = Guard(ThermalConfig(on_unavailable="stop"), lambda _: None)
    with pytest.raises(RunError, match=r"set thermal\.on_unavailable: warn"), guard:
        pass


def test_an_unknown_sensor_is_an_error_at_the_start() -> None:
    with pytest.raises(ConfigError), Guard(ThermalConfig(sensor="tea leaves"), lambda _: None):
        pass


def test_the_record_and_the_summary(tmp_path: Path) -> None:
    config = scripted(tmp_path, "[60, {cpu: 72, hot: 91}]")
    with Guard(config, lambda _: None) as guard:
        until(lambda: guard.summary()["readings"] >= 6)
    record, summary = guard.to_dict(), guard.summary()
    assert record["source"] == summary["source"] == "scripted"
    assert record["statistic"] == "max(cpu mean, gpu mean), median of 3 readings"
    assert (summary["highest"], summary["hottest"]) == (72.0, 91.0)
    assert summary["readings_in_band"]["normal"] >= 1
    assert sum(summary["readings_in_band"].values()) == summary["readings"]
    assert summary["paused_seconds"] == 0
