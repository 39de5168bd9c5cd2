"""The contract of a benchmark: its command line, its record, and its processes."""

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks import harness, run
from benchmarks.harness import Benchmark, Skip

SCRIPT = """
from benchmarks.harness import Benchmark, fresh, main

def case(number):
    print("said on the way")
    return {"square": number * number}

def measure(quick):
    numbers = (2,) if quick else (2, 3)
    return [{"number": n, **fresh(__file__, {"number": n})} for n in numbers]

BENCHMARK = Benchmark("squares", "What is squared?", measure, {"number": "n", "square": "n²|.1f"},
                      case=case)
if __name__ == "__main__":
    main(BENCHMARK)
"""


def _benchmark(measure) -> Benchmark:
    return Benchmark("one", "What is it?", measure, {"a": "A|.2f", "b": "B"})


def test_a_benchmark_writes_its_record_and_shows_a_table(tmp_path: Path) -> None:
    script, path = tmp_path / "squares.py", tmp_path / "record.json"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), "--quick", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    record = json.loads(path.read_text())
    assert record["benchmark"] == "squares"
    assert record["question"] == "What is squared?"
    assert record["quick"] is True
    assert record["rows"] == [{"number": 2, "square": 4}]
    assert record["machine"]["device"] in ("cpu", "metal", "cuda")
    assert "2  4.0" in done.stdout
    assert "said on the way" in done.stderr


def test_a_benchmark_that_cannot_run_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def measure(quick: bool) -> list:
        raise Skip("there is no GPU")

    path = tmp_path / "record.json"
    harness.main(_benchmark(measure), ["--json", str(path)])
    record = json.loads(path.read_text())
    assert (record["skipped"], record["rows"]) == ("there is no GPU", [])
    assert "skipped: there is no GPU" in capsys.readouterr().out


def test_cells_are_formatted_by_their_column_and_missing_ones_are_dashes() -> None:
    rows = [{"a": 1.234, "b": True}, {"b": "x"}, {"a": float("nan"), "b": 7}]
    record = harness.run(_benchmark(lambda quick: rows), quick=False)
    assert harness.cells(record) == (["A", "B"], [["1.23", "yes"], ["–", "x"], ["–", "7"]])


def test_a_record_without_columns_shows_all_it_has() -> None:
    record = {"rows": [{"a": 1, "b": 2}, {"c": 3}]}
    assert harness.cells(record)[0] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("script", "reason", "seconds"),
    [
        ("import sys; sys.exit(3)", "ended with status 3; see above", 120),
        ("pass", "wrote no record", 120),
        ("import time; time.sleep(120)", "took longer than 1 s", 1),
    ],
)
def test_a_benchmark_that_fails_is_recorded_and_stops_nothing(
    tmp_path: Path, script: str, reason: str, seconds: float
) -> None:
    file = tmp_path / "broken.py"
    file.write_text(script)
    record = run.measured(file, quick=True, seconds=seconds)
    assert record["benchmark"] == "broken"
    assert record["failed"] == reason


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    file, told = tmp_path / "broken.py", tmp_path / "child"
    file.write_text(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)'])\n"
        f"open({str(told)!r}, 'w').write(str(child.pid))\n"
        "child.wait()\n"
    )
    for seconds in (1, 4, 16, 64):  # on a busy machine it may not have started anything yet
        found = run.measured(file, quick=True, seconds=seconds)
        assert found["failed"] == f"took longer than {seconds} s"
        if told.exists() and told.read_text():
            break
    child = int(told.read_text())
    deadline = time.monotonic() + 60
    while _lives(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_every_benchmark_is_run_and_the_plumbing_is_not() -> None:
    assert {"blas", "throughput", "features", "kills"} <= set(run.names())
    assert not {"harness", "render", "run"} & set(run.names())


def test_results_of_one_day_are_gathered_in_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    monkeypatch.setattr(run, "FOLDER", tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(SCRIPT.replace("squares", name))
    assert run.main(["--quick", "one"]) == 0
    assert run.main(["--quick", "two"]) == 0
    results = tmp_path / "outputs" / "results" / "benchmarks"
    (path,) = results.glob("*.json")
    assert list(json.loads(path.read_text())) == ["one", "two"]
    assert "| 2 | 4.0 |" in (results / path.stem / "two.md").read_text()
