"""Fetching one file over HTTP: with a time limit, patiently, and never half of it."""

import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from email.message import Message
from http.client import HTTPException, HTTPResponse
from types import MappingProxyType
from typing import ClassVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import polars as pl

from mlxts.data.sources.base import Fetched, requested_range, within, without_gaps
from mlxts.errors import OfflineError, SourceError

ATTEMPTS = 5  # requests for one address, the first included
FIRST_WAIT = 1.0  # seconds; doubled after each attempt, times a random 0.5 .. 1.5
LONGEST_WAIT = 30.0  # seconds, also where the server requests more
TIMEOUT = 20.0  # seconds without a byte
DEADLINE = 120.0  # seconds for a whole answer, however steadily it drips
LARGEST = 64 * 2**20  # bytes; none of these files is near it

_UNRESOLVED = (5, 6)  # of libcurl: the name of the proxy, or of the host
_PASSING = (408, 425, 429)  # and 5xx: worth asking again
_CHUNK = 2**16
_AGENT = "mlxts (research; one request a series)"


class TemporaryFailure(Exception):
    """Something that may be gone at the next attempt."""

    def __init__(self, trouble: str, wait: float | None = None) -> None:
        super().__init__(trouble)
        self.wait = wait  # seconds that the server requests


@dataclass(frozen=True)
class Web:
    """Downloads files, with retries.

    Attributes:
        timeout, deadline: seconds, between two bytes and for a whole answer.
        sleep: waits that many seconds.
        uniform: a random number in [0, 1), spreads the waits of parallel users.
        clock: seconds, from anywhere, never backwards.
        tell: called with a message before each wait.
    """

    timeout: float = TIMEOUT
    deadline: float = DEADLINE
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    uniform: Callable[[], float] = field(default=random.random, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    tell: Callable[[str], None] = field(default=lambda message: None, repr=False)

    def get(self, address: str, *, subject: str) -> bytes:
        """The body of the answer, whole.

        Args:
            subject: of messages, e.g. `FRED's DGS10`.

        Raises:
            OfflineError: the server's name is not known; there is no retry.
            SourceError: the server does not have it, refuses, sends too much, or gives no whole
                answer in ATTEMPTS requests.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._ask(address, subject)
            except TemporaryFailure as error:
                trouble = error
            if attempt < ATTEMPTS:
                jittered = FIRST_WAIT * 2 ** (attempt - 1) * (0.5 + self.uniform())
                wait = min(jittered if trouble.wait is None else trouble.wait, LONGEST_WAIT)
                self.tell(f"{subject}: {trouble}; retrying in {wait:.0f} s")
                self.sleep(wait)
        raise SourceError(
            f"{subject}: {trouble}, {ATTEMPTS} times in a row; try again later, or "
            "`mlxts data import` a file"
        ) from trouble

    def _ask(self, address: str, subject: str) -> bytes:
        request = Request(address, headers={"User-Agent": _AGENT})
        try:
            with urlopen(request, timeout=self.timeout) as response:
                return self._body(response, subject)
        except HTTPError as error:
            error.close()
            if error.code in _PASSING or error.code >= 500:
                wait = _retry_after(error.headers)
                raise TemporaryFailure(
                    f"the server answers {error.code} {error.reason}", wait
                ) from error
            if error.code == 404:
                raise SourceError(f"{subject} does not exist (404); check the name") from error
            raise SourceError(
                f"{subject}: the server refuses ({error.code} {error.reason}); download the file "
                "with a browser and `mlxts data import` it"
            ) from error
        except TimeoutError as error:
            raise TemporaryFailure(f"no answer within {self.timeout:g} s") from error
        except URLError as error:
            if is_unresolved(error):
                raise offline(subject, urlsplit(address).hostname) from error
            if isinstance(error.reason, TimeoutError | socket.timeout):
                raise TemporaryFailure(f"no answer within {self.timeout:g} s") from error
            raise TemporaryFailure(f"cannot be reached ({_line(error.reason)})") from error
        except (HTTPException, OSError) as error:
            raise TemporaryFailure(f"the connection broke ({_line(error)})") from error

    def _body(self, response: HTTPResponse, subject: str) -> bytes:
        """Read to the end. A body that is shorter than announced is no answer."""
        ends = self.clock() + self.deadline
        announced = response.headers.get("Content-Length")
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > LARGEST:
                raise SourceError(
                    f"{subject} is larger than {LARGEST >> 20} MiB; this is no series"
                )
            if self.clock() > ends:
                raise TemporaryFailure(f"the answer was not complete after {self.deadline:g} s")
        if announced and announced.isdigit() and len(body) < int(announced):
            raise TemporaryFailure(
                f"the answer broke off after {len(body):,} of {int(announced):,} bytes"
            )
        return bytes(body)


class Downloaded:
    """A source of values that are one file on a server.

    Args:
        web: how requests are made; None: with the defaults.
        tell: is given a sentence before each wait.
        address: of the file; None: ADDRESS.
    """

    ADDRESS: ClassVar[str]

    def __init__(
        self,
        web: Web | None = None,
        *,
        address: str | None = None,
        tell: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._web = web or Web(tell=tell)
        self._address = address or self.ADDRESS

    def _fetch(
        self,
        parse: Callable[..., pl.DataFrame],
        start: date | None,
        end: date | None,
        *,
        subject: str,
        query: Mapping[str, str] = MappingProxyType({}),
        **parameters: str,
    ) -> Fetched:
        """What `parse(body, subject=subject)` finds in the file, without its gaps.

        Raises:
            SourceError: no network, or an answer that `parse` cannot read.
        """
        address = f"{self._address}?{urlencode(query)}" if query else self._address
        body = self._web.get(address, subject=subject)
        require_no_page(body, subject=subject)
        frame, notes = without_gaps(parse(body, subject=subject))
        request = {**query, "address": self._address, **parameters, **requested_range(start, end)}
        return Fetched(within(frame, start, end, subject=subject), request, notes)


def is_unresolved(error: BaseException) -> bool:
    """Whether an error of a request, or what led to it, is a name that could not be resolved."""
    seen: BaseException | None = error
    while seen is not None:
        reason = getattr(seen, "reason", seen)  # urllib's
        if isinstance(reason, socket.gaierror) or getattr(seen, "code", None) in _UNRESOLVED:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def offline(subject: str, host: str | None) -> OfflineError:
    """The error for a name that could not be resolved."""
    return OfflineError(
        f"{subject}: the address of {host} cannot be resolved; connect this machine to the "
        "network and try again, or `mlxts data import` a file"
    )


def require_no_page(body: bytes, *, subject: str) -> None:
    """Raises SourceError when a web page came instead of a file (a login, an outage, a block)."""
    start = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<script", b"<!--")):
        raise SourceError(
            f"{subject}: a web page came instead of data; try again later, or download the file "
            "with a browser and `mlxts data import` it"
        )


def _retry_after(headers: Message) -> float | None:
    """Retry-After, where it is a number of seconds."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200]
