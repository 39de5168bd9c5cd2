"""A database's address, read without repeating it: it may hold a password, wherever it breaks."""

import re

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from mlxts.errors import SearchError

_WRITE = "write postgresql+psycopg://user@host/database, sqlite:///file, or leave it out"
_KNOWN = ("postgresql+psycopg", "sqlite")


def read(text: str) -> URL:
    """The address that a user gave.

    Raises:
        SearchError: it is none, or of a database that is not known here. The message holds nothing
            of the text but `https` or the like before `://`.
    """
    if text.count("@") > 1:
        # What stands behind the first one would be taken for the host, and be told in errors.
        raise SearchError(
            "the storage's URL holds two @; write the one that belongs to a user or password as "
            "%40, or keep the password in ~/.pgpass"
        )
    try:
        address = make_url(text)
    except (ArgumentError, ValueError):  # the latter of a port that is no number, and it quotes it
        raise SearchError(
            f"the storage's URL cannot be read; {_WRITE} for a journal file"
        ) from None
    # What people paste, and what SQLAlchemy would look for another driver for.
    if address.drivername in ("postgres", "postgresql"):
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername not in _KNOWN:
        raise SearchError(
            f"{address.drivername}:// is no storage that is known here; {_WRITE} for a journal "
            "file on one machine"
        )
    if address.drivername == "sqlite" and (address.host or address.username):
        raise SearchError("sqlite:// names a server, and SQLite is a file; write sqlite:///file")
    if address.drivername == "sqlite" and address.query:
        raise SearchError("a SQLite file takes nothing behind a ?; write sqlite:///file")
    return address


def without_values(said: str, address: URL) -> str:
    """What a driver said, without the values behind the ? of the address, which it may repeat."""
    for given in address.query.values():
        for value in (given,) if isinstance(given, str) else given:
            said = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "***", said) if value else said
    return said


def way_in(address: URL) -> str:
    """What to look at where it cannot be opened."""
    if address.drivername == "sqlite":
        return "is it a database, and may its folder be written?"
    return "is the server running, and does it let this machine in?"


def name(address: URL) -> str:
    """How it is called in messages: `PostgreSQL`, or `SQLite` and its file."""
    if address.drivername != "sqlite":
        return "PostgreSQL"
    # A file with an @ is more likely the address of a server behind the wrong beginning.
    return "SQLite" if "@" in str(address.database) else f"SQLite {address.database}"
