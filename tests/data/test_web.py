"""Fetching a file from servers that are slow, busy, broken or somebody else's."""

import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.data.sources import http
from mlxts.data.sources.http import ATTEMPTS, LONGEST_WAIT, Web, require_no_page
from mlxts.errors import OfflineError, SourceError
from tests.data.server import PAGE, Answer, serving

BODY = b"observation_date,DGS10\n" + b"2024-01-02,3.95\n" * 500


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.parametrize("announce", [True, False])
def test_a_whole_body_arrives_as_it_is(announce: bool) -> None:
    with serving(Answer(BODY, announce=announce)) as server:
        assert server.web().get(server.address, subject="it") == BODY
    assert server.waits == []
    assert "mlxts" in server.agents[0]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_passing_trouble_is_waited_out(status: int) -> None:
    with serving(Answer(PAGE, status), Answer(PAGE, status), Answer(BODY)) as server:
        assert server.web().get(server.address, subject="FRED's DGS10") == BODY
    assert server.waits == [1.0, 2.0]  # doubled, times 0.5 + 0.5
    assert server.told[0].startswith(f"FRED's DGS10: the server answers {status} ")
    assert server.told[0].endswith("retrying in 1 s")


@pytest.mark.parametrize("status", [429, 500])
def test_patience_ends(status: int) -> None:
    with serving(Answer(b"", status)) as server:
        with pytest.raises(SourceError, match=f"{status} .*, {ATTEMPTS} times in a row"):
            server.web().get(server.address, subject="it")
        assert len(server.asked) == ATTEMPTS
    assert len(server.waits) == ATTEMPTS - 1


@pytest.mark.parametrize(("status", "message"), [(404, "does not exist"), (403, "refuses")])
def test_a_refusal_is_final(status: int, message: str) -> None:
    with serving(Answer(PAGE, status)) as server:
        with pytest.raises(SourceError, match=message):
            server.web().get(server.address, subject="it")
        assert len(server.asked) == 1
    assert server.waits == []


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("86400", LONGEST_WAIT), ("soon", 1.0)])
def test_the_server_may_name_the_wait_up_to_a_cap(asked: str, waited: float) -> None:
    with serving(Answer(b"", 429, {"Retry-After": asked}), Answer(BODY)) as server:
        server.web().get(server.address, subject="it")
    assert server.waits == [waited]


@pytest.mark.parametrize("announce", [True, False])
def test_a_truncated_body_is_asked_for_again(announce: bool) -> None:
    with serving(Answer(BODY, cut=100, announce=announce), Answer(BODY)) as server:
        assert server.web().get(server.address, subject="it") == BODY
    assert len(server.asked) == 2
    assert "broke" in server.told[0]


def test_a_body_that_is_always_truncated_is_an_error() -> None:
    message = "broke off after 8,022 of 8,023 bytes, 5 times"
    with serving(Answer(BODY, cut=1)) as server, pytest.raises(SourceError, match=message):
        server.web().get(server.address, subject="it")


def test_a_silent_server_is_not_waited_for() -> None:
    with serving(Answer(BODY, delay=0.6), Answer(BODY)) as server:
        assert server.web(timeout=0.2).get(server.address, subject="it") == BODY
    assert "no answer within 0.2 s" in server.told[0]


def test_an_answer_that_drips_runs_into_the_deadline() -> None:
    """Each byte comes in time, all of them together do not."""
    started = time.monotonic()
    with serving(Answer(BODY, delay=0.15), Answer(BODY)) as server:
        assert server.web(timeout=1.0, deadline=0.3).get(server.address, subject="it") == BODY
    assert "not complete after 0.3 s" in server.told[0]
    assert time.monotonic() - started < 3


def test_a_name_that_nobody_knows_is_asked_for_once() -> None:
    waits: list[float] = []
    asking = Web(sleep=waits.append)
    with pytest.raises(OfflineError, match=r"it: the address of nobody\.invalid cannot"):
        asking.get("http://nobody.invalid/file.csv", subject="it")
    assert waits == []


def test_a_closed_port_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    waits: list[float] = []
    with pytest.raises(SourceError, match="cannot be reached"):
        Web(1.0, sleep=waits.append).get(f"http://127.0.0.1:{port}/", subject="it")
    assert len(waits) == ATTEMPTS - 1


def test_a_file_of_absurd_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LARGEST", 1000)
    with serving(Answer(BODY)) as server, pytest.raises(SourceError, match="this is no series"):
        server.web().get(server.address, subject="it")


@given(st.floats(0, 1, exclude_max=True))
@settings(max_examples=10, deadline=None)
def test_waits_are_jittered_within_their_bounds(uniform: float) -> None:
    waits: list[float] = []
    with serving(Answer(b"", 500)) as server, pytest.raises(SourceError):
        Web(5.0, 5.0, waits.append, lambda: uniform).get(server.address, subject="it")
    assert all(0.5 * 2**n <= wait <= 1.5 * 2**n for n, wait in enumerate(waits))
    assert sum(waits) <= (ATTEMPTS - 1) * LONGEST_WAIT


@pytest.mark.parametrize("start", [PAGE, b"\xef\xbb\xbf \n<HTML>", b"<?xml version='1.0'?><x/>"])
def test_a_web_page_is_no_data(start: bytes) -> None:
    with pytest.raises(SourceError, match="a web page came instead"):
        require_no_page(start, subject="it")
    require_no_page(BODY, subject="it")
