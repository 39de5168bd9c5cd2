"""`mlxts data`: what each command says, writes, and refuses in one line."""

import io
import json
import resource
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from urllib.error import URLError

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from mlxts.cli.app import app
from mlxts.cli.data import data
from mlxts.cli.output import progress
from mlxts.data import store
from mlxts.data.sources import http
from mlxts.errors import IntegrityError, MlxtsError, OfflineError, StorageError
from mlxts.simulation.source import SimulatedSource


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("MLXTS_HOME", str(home))
    return home


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    fetched = SimulatedSource("sv", first=date(2020, 1, 2), last=date(2020, 12, 31)).fetch("TEST")
    return fetched.frame.select("date", "open", "high", "low", "close", "volume")


@pytest.fixture
def csv(bars: pl.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "SPY.csv"
    bars.write_csv(path)
    return path


def run(*arguments: str | Path) -> tuple[str, str]:
    """Standard output and error of a command that succeeds."""
    result = CliRunner().invoke(data, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout, result.stderr


def checked(*options: str) -> tuple[str, str]:
    """Of `mlxts check data`, which finds all equal to the manifests."""
    result = CliRunner().invoke(app, ["check", "data", *options], catch_exceptions=False)
    return result.stdout, result.stderr


def refused(*arguments: str | Path) -> MlxtsError:
    """The error of a command that fails as `mlxts` reports it: one line, exit code 2."""
    result = CliRunner().invoke(data, [str(a) for a in arguments])
    assert isinstance(result.exception, MlxtsError), result.output
    assert result.exception.exit_code == 2
    assert "\n" not in str(result.exception)
    return result.exception


def everything(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


@contextmanager
def disk_full_after(size: int) -> Generator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_group_names_every_command() -> None:
    command = typer.main.get_command(data)
    assert sorted(command.commands) == [  # ty: ignore[missing-attribute]
        "cell", "controls", "download", "import", "list", "register-processed", "register-raw",
        "sample", "simulate", "sources",
    ]  # fmt: skip


def test_the_sample_is_downloaded_without_a_network() -> None:
    out, _ = run("download", "--source", "sample", "sp500", "VIX")
    assert "sample/SP500: 5,031 rows, 1999-01-04 to 2018-12-31" in out
    assert [a.dataset for a in store.raw_artifacts()] == ["sample/SP500", "sample/VIX"]


def test_import_names_the_series_after_the_file(csv: Path) -> None:
    out, _ = run("import", csv)
    assert out.startswith("files/SPY: 253 rows, 2020-01-02 to 2020-12-31, data/raw/files/SPY/")


def test_one_is_no_plural(csv: Path) -> None:
    out, _ = run("import", csv, "--start", "2020-01-02", "--end", "2020-01-02")
    assert out.startswith("files/SPY: 1 row, 2020-01-02 to 2020-01-02, ")
    assert checked()[0].startswith("1 file checked: ")


def test_import_reads_a_folder(csv: Path, bars: pl.DataFrame) -> None:
    bars.write_parquet(csv.parent / "qqq.parquet")
    out, notes = run("import", csv.parent)
    assert [line.split(":")[0] for line in out.splitlines()] == ["files/SPY", "files/QQQ"]
    assert "[1/2] SPY" in notes


@pytest.mark.parametrize("command", [("import", "SPY.csv"), ("download", "X"), ("simulate", "gbm")])
def test_a_start_after_the_end_is_refused_before_anything_is_done(command: tuple[str, ...]) -> None:
    error = refused(*command, "--start", "2020-03-02", "--end", "2020-03-01")
    assert str(error) == "--start 2020-03-02 is after --end 2020-03-01; exchange them"


def test_a_file_of_another_symbol_is_refused_or_renamed(bars: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    bars.with_columns(Ticker=pl.lit("SPY")).write_csv(path)
    assert "files/SPY: " in run("import", path)[0]
    error = refused("import", path, "--symbol", "QQQ")
    assert "no row of QQQ (its Ticker column has SPY)" in str(error)
    assert [a.symbol for a in store.raw_artifacts()] == ["SPY"]
    out, notes = run("import", path, "--as", "qqq")
    assert "files/QQQ: " in out
    assert "this is what the file calls SPY" in notes
    both = pl.concat([bars.with_columns(Ticker=pl.lit(s)) for s in ("SPY", "DIA")])
    both.write_csv(path)
    assert "has DIA, SPY" in str(refused("import", path))
    assert "files/DOW: " in run("import", path, "--symbol", "DIA", "--as", "DOW")[0]
    two = (path, path, "--as", "X")
    assert "name one file" in str(refused("import", *two))
    assert "none of --as, --decimal" in str(refused("import", path, "--trends", "--as", "X"))


def test_the_decimal_mark_is_asked_for_where_it_is_not_clear(tmp_path: Path) -> None:
    path = tmp_path / "X.csv"
    path.write_text("date;open;high;low;close;volume\n2024-01-11;1.234;2.345;1.111;2.222;56\n")
    assert "--decimal" in str(refused("import", path))
    for mark, close in ((".", 2.222), (",", 2222.0)):
        run("import", path, "--decimal", mark)
        assert store.load(store.raw_artifacts()[-1])["close"].to_list() == [close]


def test_import_cuts_to_the_dates_asked_for(csv: Path) -> None:
    out, _ = run("import", csv, "--start", "2020-03-02", "--end", "2020-03-31", "--json")
    (artifact,) = json.loads(out)["artifacts"]
    assert (artifact["first"], artifact["last"]) == ("2020-03-02", "2020-03-31")


def test_json_is_one_object_and_nothing_else(csv: Path) -> None:
    out, _ = run("import", csv, "--symbol", "spy", "--json")
    (artifact,) = json.loads(out)["artifacts"]
    assert artifact == store.raw_artifacts()[0].to_dict() | {"warnings": [], "notes": []}
    assert json.loads(run("list", "--json")[0])["raw"] == [store.raw_artifacts()[0].to_dict()]
    assert json.loads(checked("--json")[0]) == {
        "schema": 2, "ok": True, "checked": 1, "changed": [], "missing": [], "unregistered": [],
    }  # fmt: skip


def test_simulate_stores_a_path_on_the_dates_asked_for() -> None:
    run("simulate", "gbm", "--seed", "3", "--start", "2019-01-01", "--end", "2020-12-31")
    (artifact,) = store.raw_artifacts()
    assert (artifact.dataset, artifact.first) == ("simulated/GBM", date(2019, 1, 2))
    assert artifact.parameters["seed"] == 3
    assert "oracle_threshold_1pct_h5" in artifact.schema


def test_simulate_takes_dials_and_makes_many_symbols_of_one_market(tmp_path: Path) -> None:
    span = ("--start", "2019-01-01", "--end", "2019-12-31")
    out, _ = run(
        "simulate", "zipf", "--set", "exponent=1", "--symbol", "spy", "--symbols", "3", *span
    )
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "simulated/SPY", "simulated/SPY2", "simulated/SPY3",
    ]  # fmt: skip
    artifacts = store.raw_artifacts()
    assert len({a.sha256 for a in artifacts}) == 3
    for artifact in artifacts:
        said = artifact.parameters
        assert (said["control"], said["dials"]["exponent"]) == ("P2", 1.0)
        assert 0.6 < said["bayes"]["direction_h1"]["auc"] < 0.75
    # The same command makes the same bytes, which are registered already.
    run("simulate", "zipf", "--set", "exponent=1", "--symbol", "spy", *span)
    assert len(store.raw_artifacts()) == 3
    run("sample", "--rows", "20")
    assert "no parameter leak" in str(refused("simulate", "zipf", "--set", "leak=1"))


def test_controls_lists_the_markets_and_their_dials() -> None:
    out, _ = run("controls")
    assert all(word in out for word in ("P2", "zipf", "exponent=0.5"))
    assert json.loads(run("controls", "--json")[0])["markets"]["canary"]["leak"] == 1.0


def test_warnings_are_told_and_nothing_is_dropped(bars: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "HOLES.csv"
    pl.concat([bars[:100], bars[103:]]).write_csv(path)
    out, notes = run("import", path)
    assert "250 rows" in out
    assert "HOLES: warning (1 gap), stored anyway" in notes
    assert str(bars["date"][100]) in notes
    # The very same content again says so through the store: still one entry.
    run("import", path)
    assert len(store.raw_artifacts()) == 1


def test_a_series_that_takes_the_place_of_a_longer_one_says_so(
    csv: Path, bars: pl.DataFrame
) -> None:
    assert run("import", csv)[1] == ""
    assert run("import", csv)[1] == ""
    (longer,) = store.raw_artifacts()
    bars.tail(100).write_csv(csv)
    _, notes = run("import", csv)
    assert f"instead of {bars.height} rows, {longer.first} to {longer.last}" in notes
    assert f"data.artifact_sha256: {{SPY: {longer.sha256}}}" in notes
    # One that covers all the days takes its place without a word.
    bars.with_columns(pl.col("volume") + 1).write_csv(csv)
    assert run("import", csv)[1] == ""


def planted(bars: pl.DataFrame, fault: str) -> pl.DataFrame:
    at = pl.int_range(pl.len()) == 10

    def cell(column: str, value: float) -> pl.DataFrame:
        return bars.with_columns(pl.when(at).then(value).otherwise(column).alias(column))

    faults = {
        "negative": lambda: cell("low", -1.0),
        "nan": lambda: cell("close", float("nan")),
        "duplicate": lambda: pl.concat([bars[:11], bars[10:]]),
        "columns": lambda: bars.drop("high", "low"),
    }
    return faults[fault]()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("negative", r"row 11, 2020-01-16: low is -1\.0, not positive"),
        ("nan", r"row 11, 2020-01-16: close is "),
        ("duplicate", r"row 12, 2020-01-16: date 2020-01-16 is already in row 11"),
        ("columns", r"columns high, low are missing \(found: date, open, close, volume\)"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_bad_input_is_one_line_and_nothing_is_stored(
    bars: pl.DataFrame, tmp_path: Path, workspace: Path, fault: str, message: str, suffix: str
) -> None:
    path = tmp_path / f"BAD{suffix}"
    frame = planted(bars, fault)
    frame.write_csv(path) if suffix == ".csv" else frame.write_parquet(path)
    assert pl.Series([str(refused("import", path))]).str.contains(message).all()
    assert everything(workspace) == []


def test_a_missing_file_is_named(tmp_path: Path, workspace: Path) -> None:
    assert "no file at" in str(refused("import", tmp_path / "none.csv"))
    assert everything(workspace) == []


def test_one_bad_file_does_not_stop_the_others(csv: Path, bars: pl.DataFrame) -> None:
    planted(bars, "negative").write_csv(csv.parent / "BAD.csv")
    assert "files/BAD: row 11" in str(refused("import", csv.parent))
    assert [a.symbol for a in store.raw_artifacts()] == ["SPY"]


def test_without_a_network_the_whole_list_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def unresolved(address: object, timeout: float) -> None:
        asked.append(str(address))
        raise URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(http, "urlopen", unresolved)
    error = refused("download", "DGS10", "DGS2", "UNRATE", "--source", "fred")
    assert isinstance(error, OfflineError)
    assert "fred.stlouisfed.org cannot be resolved" in str(error)
    assert len(asked) == 1


def test_a_full_disk_is_one_line_and_leaves_nothing(csv: Path, workspace: Path) -> None:
    with disk_full_after(4096):
        error = refused("import", csv)
    assert isinstance(error, StorageError)
    assert "free some disk space" in str(error)
    assert everything(workspace) == []


def test_what_hashing_shows_on_a_terminal_is_gone_before_the_result(
    csv: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    run("import", csv, "--symbol", "SPY")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with progress("hashing") as show:
        store.verify(show)
    assert "hashing data/raw" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K\r")


def test_verify_names_the_changed_and_the_missing(csv: Path, workspace: Path) -> None:
    run("import", csv)
    run("simulate", "gbm", "--end", "1993-12-31")
    spy, gbm = store.raw_artifacts()
    assert checked()[0] == "2 files checked: equal to the manifests.\n"
    spy.file.chmod(0o644)
    spy.file.write_bytes(spy.file.read_bytes()[:-1] + b"\0")
    gbm.file.unlink()
    with pytest.raises(IntegrityError) as refusal:
        checked()
    error = refusal.value
    assert f"{spy.path} was changed; {gbm.path} is missing" in str(error)
    assert "restore" in str(error)


def test_register_raw_takes_a_file_that_something_else_wrote(
    csv: Path, tmp_path: Path, workspace: Path
) -> None:
    run("import", csv)
    frame = store.load(store.raw_artifacts()[0])[:-1]
    path = workspace / "data" / "raw" / "mine.parquet"
    frame.write_parquet(path)
    assert json.loads(checked("--json")[0])["unregistered"] == ["data/raw/mine.parquet"]
    run("register-raw", path, "--symbol", "spy", "--source", "yahoo")
    assert store.raw_artifacts()[1].dataset == "yahoo/SPY"
    assert json.loads(checked("--json")[0])["unregistered"] == []
    frame.drop("splits").write_parquet(tmp_path / "odd.parquet")
    assert "not exactly those" in str(
        refused("register-raw", tmp_path / "odd.parquet", "--symbol", "SPY")
    )
    assert "use `mlxts data import`" in str(refused("register-raw", csv, "--symbol", "SPY"))
    for name, kind in (("oracle_direction_h1", pl.String), ("planted", pl.Float32)):
        odd = frame.with_columns(pl.lit(None, dtype=kind).alias(name))
        odd.write_parquet(tmp_path / "odd.parquet")
        error = refused("register-raw", tmp_path / "odd.parquet", "--symbol", "SPY")
        assert "not exactly those" in str(error)


def test_register_processed_counts_versions_and_knows_its_sources(
    csv: Path, bars: pl.DataFrame, tmp_path: Path
) -> None:
    run("import", csv)
    md5 = store.raw_artifacts()[0].md5
    path = tmp_path / "features.parquet"
    options = ("--dataset", "SPY-tier20", "--tier", "20", "--source-md5", md5, "--json")
    for rows in (253, 252):
        bars[:rows].write_parquet(path)
        out, _ = run("register-processed", path, *options)
    entry = json.loads(out)
    assert (entry["version"], entry["tier"], entry["source_raw_md5s"]) == (2, 20, [md5])
    assert "no raw artifact has md5 0" in str(
        refused("register-processed", path, "--dataset", "x", "--source-md5", "0")
    )


def test_sample_writes_both_ends_for_a_person_to_read(csv: Path, workspace: Path) -> None:
    run("import", csv)
    out, _ = run("sample", "--rows", "20")
    path = workspace / "data" / "samples" / "files_SPY.csv"
    assert out.strip() == str(path)
    sampled = pl.read_csv(path, try_parse_dates=True)
    whole = store.load(store.raw_artifacts()[0])
    assert sampled["date"].to_list() == [*whole["date"][:20], *whole["date"][-20:]]


def test_list_shows_raw_and_processed(csv: Path, bars: pl.DataFrame, tmp_path: Path) -> None:
    assert "nothing is registered" in run("list")[0]
    run("import", csv)
    bars.write_parquet(tmp_path / "f.parquet")
    md5 = store.raw_artifacts()[0].md5
    run("register-processed", tmp_path / "f.parquet", "--dataset", "x", "--source-md5", md5)
    out, _ = run("list")
    assert "files/SPY" in out
    assert "Processed" in out
