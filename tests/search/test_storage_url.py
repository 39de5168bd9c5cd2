"""Addresses of databases: what is none is told in one line, and no line holds a password."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.errors import SearchError
from mlxts.search import storage, storage_url

SECRET = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=6, max_size=20
).map(lambda text: f"q{text}q")
SCHEMES = ("postgresql", "postgresql+psycopg", "postgres", "mysql", "sqlite", "", "POSTGRES", "pg+")
SHAPES = (
    "{scheme}://me:{secret}@127.0.0.1:1/db",
    "{scheme}://me:{secret}@127.0.0.1:1/db?connect_timeout=1",
    "{scheme}://127.0.0.1:1/db?user=me&password={secret}",
    "{scheme}://127.0.0.1:1/db?sslmode={secret}",
    "{scheme}://me:{secret}@127.0.0.1:port/db",
    "{scheme}://me:{secret}/db",
    "{scheme}:/me:{secret}@127.0.0.1/db",
    "{scheme}:///me:{secret}@127.0.0.1/db",
    "{scheme}:me:{secret}",
    "me:{secret}@127.0.0.1/db",
    "host=127.0.0.1 port=1 user=me password={secret}",
)


@settings(max_examples=150)
@given(SECRET, st.booleans(), st.sampled_from(SCHEMES), st.sampled_from(SHAPES))
def test_no_message_repeats_a_password_and_each_is_one_line(
    tmp_path_factory: pytest.TempPathFactory, secret: str, quoted: bool, scheme: str, shape: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # What a misread address names must lie nowhere, and no name may be asked for.
        patch.chdir(tmp_path_factory.mktemp("nowhere"))
        written = quote(secret, safe="") if quoted else secret
        url = shape.format(scheme=scheme, secret=written)
        try:
            store = storage.open(url)
        except SearchError as error:
            said = str(error)
        else:  # a file of SQLite may be called anything
            assert url.startswith("sqlite")
            said = storage_url.name(storage_url.parse(url))
            storage.close(store)
    assert secret not in said
    assert written not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://me:pass@word@host/db", "%40"),
        ("postgresql://me:word/db", "cannot be read"),
        ("oracle://me:word@host/db", "oracle:// is not supported"),
        ("me:word@host/db", "write postgresql"),
        ("", "cannot be read"),
        ("sqlite:///studies.db?password=word", "nothing behind a ?"),
    ],
)
def test_what_is_no_address_says_how_to_write_one(url: str, says: str) -> None:
    with pytest.raises(SearchError, match=re.escape(says)) as raised:
        storage.open(url)
    assert "word" not in str(raised.value).replace("password", "")
    assert raised.value.__cause__ is None  # which would quote it in a traceback


def test_a_file_that_cannot_be_opened_is_not_called_a_server(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="may its folder be written") as raised:
        storage.open(f"sqlite:///{tmp_path}/nowhere/studies.db")
    assert "server" not in str(raised.value)


def test_what_people_paste_is_understood() -> None:
    read = storage_url.parse("postgres://me:s%40cret@host:5433/db?sslmode=require")
    assert read.drivername == "postgresql+psycopg"
    assert (read.password, read.host, read.port) == ("s@cret", "host", 5433)
