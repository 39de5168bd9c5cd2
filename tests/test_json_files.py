"""Reading our own JSON: whatever is wrong with a file is one line that names it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxts import json_files
from mlxts.errors import CheckpointError, RunError
from mlxts.json_files import Shape


class _Inner(Shape):
    size: float = 0.0


class _Outer(Shape):
    name: str
    inner: _Inner = _Inner()


@dataclass(frozen=True)
class _Made:
    count: int
    sizes: tuple[float, ...] = ()


def _read(path: Path, **more: Any) -> dict[str, Any]:
    return json_files.read(path, _Outer, error=RunError, remedy="make it again", **more)


def test_what_the_shape_does_not_name_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"z": [1], "name": "a", "inner": {"size": 1, "other": null}}')
    assert _read(path) == json.loads(path.read_text())
    assert list(_read(path)) == ["z", "name", "inner"]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "JSON"), (b'{"name": "a"', "JSON"), (b"\xff\xfe", "byte 1 is not UTF-8"),
        (b"[]", "object"), (b"null", "object"), (b"{}", "name is missing"),
        (b'{"name": 1}', "name: input should be a valid string"),
        (b'{"name": "a", "inner": {"size": "1"}}', "inner.size: input should be a valid number"),
        (b'{"name": "a", "inner": {"size": NaN}}', "inner.size: input should be a finite number"),
        (b'{"name": "a", "inner": {"size": true}}', "inner.size"), (b"[" * 5000, "recursion"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_line_with_the_way_out(
    tmp_path: Path, data: bytes, what: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(RunError) as raised:
        _read(path)
    said = str(raised.value)
    assert said.startswith(f"{path} is damaged: ")
    assert said.endswith("; make it again")
    assert what in said
    assert "\n" not in said


def test_a_file_that_is_gone_or_a_folder_is_one_line_too(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a\.json cannot be read: it is not there; make it again"):
        _read(tmp_path / "a.json")
    with pytest.raises(RunError, match="cannot be read: it is a folder"):
        _read(tmp_path)


def test_keys_that_a_reader_needs_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"name": "a", "inner": {}}')
    with pytest.raises(RunError, match=r"inner\.size is missing"):
        _read(path, needs=("name", "inner.size"))


def test_a_key_may_be_needed_of_every_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    for scores in ({}, {"a": {"n": 1}}, {"a": {"n": 1}, "b": {"n": 2}}):
        path.write_text(json.dumps({"name": "x", "count": 1, "scores": scores}))
        assert _read(path, needs=("scores.*.n",))["scores"] == scores
    for scores in (None, {"a": 1}, {"a": {"n": 1}, "b": {}}):
        path.write_text(json.dumps({"name": "x", "count": 1, "scores": scores}))
        with pytest.raises(RunError, match=r"scores\.\*\.n is missing"):
            _read(path, needs=("scores.*.n",))


def test_only_a_torn_end_may_be_left_out(tmp_path: Path) -> None:
    def lines(torn_end: bool) -> list[dict[str, Any]]:
        return json_files.read_lines(
            path, _Outer, error=RunError, remedy="correct it", torn_end=torn_end
        )

    path = tmp_path / "a.jsonl"
    assert lines(True) == []
    path.write_text('{"name": "a"}\n{"name": "b"}\n{"na')
    assert [row["name"] for row in lines(True)] == ["a", "b"]
    with pytest.raises(RunError, match="line 3"):
        lines(False)
    path.write_text('{"name": "a"}\n{"name": "b"}')  # whole, though its end is missing
    assert [row["name"] for row in lines(True)] == ["a", "b"]
    path.write_bytes(b'{"name": "a"}\n' + bytes(20))  # what a power cut leaves is no line of ours
    with pytest.raises(RunError, match="line 2"):
        lines(True)
    path.write_text('{"name": "a"}\ngarbage\n{"name": "b"}\n')
    with pytest.raises(RunError, match=r"line 2: .*; correct it"):
        lines(True)


def test_a_dataclass_comes_back_and_no_other_keys_do(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text, what in (
        ('{"count": 1, "sizes": [1, 2.5]}', ""),
        ('{"count": 1, "more": 2}', "more is no key"),
        ('{"count": 1.5}', "count"),
        ('{"count": true}', "count"),
        ("{}", "count is missing"),
        ("[]", "object"),
    ):
        path.write_text(text)
        if not what:
            made = json_files.load(path, _Made, error=CheckpointError, remedy="train")
            assert made == _Made(1, (1.0, 2.5))
            continue
        with pytest.raises(CheckpointError, match=what):
            json_files.load(path, _Made, error=CheckpointError, remedy="train")
        with pytest.raises(CheckpointError, match=f"key x is damaged.*{what}"):
            value = json.loads(text)
            json_files.build(value, _Made, where="key x", error=CheckpointError, remedy="train")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.one_of(st.binary(max_size=60), _VALUES.map(lambda value: json.dumps(value).encode())))
def test_no_bytes_end_in_anything_but_a_value_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    try:
        found = _read(path)
    except RunError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(found["name"], str)
