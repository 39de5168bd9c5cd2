"""The URL of a database, parsed without repeating it: it may hold a password."""

import re

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from mlxts.errors import SearchError

_WRITE = "write postgresql+psycopg://user@host/database, sqlite:///file, or leave it out"
_DRIVERS = ("postgresql+psycopg", "sqlite")


def parse(text: str) -> URL:
    """The url that a user gave.

    Raises:
        SearchError: it is none, or of a database that is not supported. The message holds nothing
            of the text but `https` or the like before `://`.
    """
    if text.count("@") > 1:
        # Text after the first one would be taken for the host, and be shown in errors.
        raise SearchError(
            "the storage's URL holds two @; write the one that belongs to a user or password as "
            "%40, or keep the password in ~/.pgpass"
        )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # the latter of a port that is no number, and it quotes it
        raise SearchError(
            f"the storage's URL cannot be read; {_WRITE} for a journal file"
        ) from None
    # What people paste, and what SQLAlchemy would look for another driver for.
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in _DRIVERS:
        raise SearchError(
            f"{url.drivername}:// is not supported; {_WRITE} for a journal file on one machine"
        )
    if url.drivername == "sqlite" and (url.host or url.username):
        raise SearchError("sqlite:// names a server, and SQLite is a file; write sqlite:///file")
    if url.drivername == "sqlite" and url.query:
        raise SearchError("a SQLite file takes nothing behind a ?; write sqlite:///file")
    return url


def without_values(message: str, url: URL) -> str:
    """A driver's message without the values after the ? of the URL, which it may repeat."""
    for given in url.query.values():
        for value in (given,) if isinstance(given, str) else given:
            message = (
                re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "***", message) if value else message
            )
    return message


def hint(url: URL) -> str:
    """What to check where it cannot be opened."""
    if url.drivername == "sqlite":
        return "is it a database, and may its folder be written?"
    return "is the server running, and does it let this machine in?"


def name(url: URL) -> str:
    """Its name in messages: `PostgreSQL`, or `SQLite` and its file."""
    if url.drivername != "sqlite":
        return "PostgreSQL"
    # A file with an @ is more likely the url of a server behind the wrong beginning.
    return "SQLite" if "@" in str(url.database) else f"SQLite {url.database}"
