import json
import multiprocessing
import resource
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlxts import files
from mlxts.data import store
from mlxts.data.artifacts import Artifact, ProcessedArtifact
from mlxts.errors import DataError, IntegrityError, StorageError


def register(frame: pl.DataFrame, symbol: str = "SPY", source: str = "files") -> Artifact:
    return store.register_raw(frame, source=source, symbol=symbol, parameters={"from": "a test"})


def tamper(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


@contextmanager
def disk_full_after(size: int) -> Generator[None]:
    """The operating system refuses to let any file grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def everything(folder: Path) -> set[str]:
    return {p.name for p in folder.rglob("*") if p.is_file() and p.name != ".manifest.lock"}


def test_what_is_stored_comes_back(workspace: Path, bars: pl.DataFrame) -> None:
    assert_frame_equal(store.load(register(bars)), bars)


def test_an_entry_says_all_that_the_manifest_promises(workspace: Path, bars: pl.DataFrame) -> None:
    artifact = register(bars)
    (entry,) = json.loads((files.raw_folder() / "manifest.json").read_text())["artifacts"]
    assert store.raw_artifacts() == [artifact]
    assert entry == artifact.to_dict()
    assert entry["dataset"] == "files/SPY"
    assert (
        entry["path"] == f"data/raw/files/SPY/2020-01-02_2020-12-31_{artifact.sha256[:8]}.parquet"
    )
    assert entry["md5"] == files.digest(workspace / entry["path"], "md5")
    assert entry["sha256"] == files.digest(workspace / entry["path"])
    assert (entry["rows"], entry["first"], entry["last"]) == (253, "2020-01-02", "2020-12-31")
    assert entry["schema"]["date"] == "Date"
    assert entry["timestamp"].endswith("+00:00")


def test_a_raw_file_is_read_only(workspace: Path, bars: pl.DataFrame) -> None:
    assert stat.S_IMODE(register(bars).file.stat().st_mode) == 0o444


def test_the_same_content_twice_is_one_entry(workspace: Path, bars: pl.DataFrame) -> None:
    assert register(bars) == register(bars)
    assert len(store.raw_artifacts()) == 1


def test_new_content_is_a_new_file_and_the_newest_is_found(
    workspace: Path, bars: pl.DataFrame
) -> None:
    old, new = register(bars), register(bars[:-1])
    other = register(bars[:-2], source="yahoo")
    assert old.file.exists()
    assert store.find("SPY", ["files"]) == new
    assert store.find("SPY", ["yahoo", "files"]) == other


def test_a_missing_symbol_says_how_to_get_it(workspace: Path, bars: pl.DataFrame) -> None:
    register(bars)
    with pytest.raises(DataError, match=r"QQQ.*registered: files/SPY.*mlxts data download QQQ"):
        store.find("QQQ", ["yahoo", "files"])


@pytest.mark.parametrize("symbol", ["../SPY", "a/b", "", ".hidden", "spy"])
def test_a_symbol_that_is_no_file_name_is_refused(
    workspace: Path, bars: pl.DataFrame, symbol: str
) -> None:
    with pytest.raises(DataError, match="cannot name a file"):
        register(bars, symbol)
    assert everything(workspace) == set()


def test_bars_with_errors_are_refused(workspace: Path, bars: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="nothing was stored"):
        register(bars.with_columns(low=pl.col("high") * 2))
    assert everything(workspace) == set()


def test_a_changed_byte_is_named(workspace: Path, bars: pl.DataFrame) -> None:
    good, bad = register(bars), register(bars, "QQQ")
    tamper(bad.file)
    result = store.verify()
    assert (result.checked, result.changed, result.missing) == (2, (bad.path,), ())
    with pytest.raises(IntegrityError, match=bad.path):
        result.require()
    with pytest.raises(IntegrityError, match=bad.path):
        store.load(bad)
    assert store.load(good).height == bars.height


def test_registering_again_restores_a_changed_file(workspace: Path, bars: pl.DataFrame) -> None:
    artifact = register(bars)
    tamper(artifact.file)
    register(bars)
    assert store.verify().ok


def test_a_missing_file_is_named(workspace: Path, bars: pl.DataFrame) -> None:
    artifact = register(bars)
    artifact.file.unlink()
    assert store.verify().missing == (artifact.path,)
    with pytest.raises(IntegrityError, match=artifact.path):
        store.load(artifact)


def test_a_file_that_no_manifest_lists_is_reported(workspace: Path, bars: pl.DataFrame) -> None:
    stray = files.raw_folder() / "stray.parquet"
    stray.parent.mkdir(parents=True)
    bars.write_parquet(stray)
    assert store.verify().unregistered == ("data/raw/stray.parquet",)
    assert store.verify().ok


def test_a_torn_manifest_is_an_integrity_error(workspace: Path, bars: pl.DataFrame) -> None:
    register(bars)
    manifest = files.raw_folder() / "manifest.json"
    manifest.write_text(manifest.read_text()[:-20])
    with pytest.raises(IntegrityError, match=r"manifest\.json is damaged.*backup"):
        store.verify()
    with pytest.raises(IntegrityError):
        register(bars[:-1])


def test_a_full_disk_leaves_no_file_behind(workspace: Path, bars: pl.DataFrame) -> None:
    with disk_full_after(4096), pytest.raises(StorageError, match="free some disk space"):
        register(bars)
    assert everything(workspace) == set()


def test_a_disk_that_fills_before_the_manifest_leaves_the_old_state(
    workspace: Path, bars: pl.DataFrame
) -> None:
    for count in range(20):
        register(bars[: 5 + count])
    before = everything(workspace)
    # Now the manifest is the larger file, so that it is the one which does not fit.
    limit = (files.raw_folder() / "manifest.json").stat().st_size
    assert limit > max(a.file.stat().st_size for a in store.raw_artifacts())
    with disk_full_after(limit), pytest.raises(StorageError):
        register(bars[:30])
    assert everything(workspace) == before
    assert store.verify().ok


def _register_many(home: str, worker: int) -> None:
    import os

    os.environ["MLXTS_HOME"] = home
    shared = pl.DataFrame(
        {"date": pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 9), eager=True)}
    )
    for number in range(8):
        store.register_raw(
            shared.with_columns(value=pl.lit(float(worker * 100 + number))),
            source="files", symbol=f"W{worker}", parameters={},
        )  # fmt: skip
        store.register_raw(
            shared.with_columns(value=pl.lit(float(number))),
            source="files", symbol="SHARED", parameters={},
        )  # fmt: skip


def test_concurrent_processes_lose_no_entry(workspace: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_register_many, args=(str(workspace), worker)) for worker in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    paths = [a.path for a in store.raw_artifacts()]
    assert len(paths) == len(set(paths)) == 3 * 8 + 8
    assert store.verify() == store.Verification(32, (), (), ())


def test_processed_versions_count_up_with_content_and_sources(
    workspace: Path, bars: pl.DataFrame
) -> None:
    one, two = register(bars), register(bars, "QQQ")
    features = bars.select("date", x="close")

    def processed(frame: pl.DataFrame, *sources: Artifact) -> ProcessedArtifact:
        return store.register_processed(
            [frame[:2], frame[2:]],
            dataset="tier20",
            tier=20,
            sources=sources,
            parameters={"code": "a"},
        )

    first = processed(features, one)
    assert (first.version, first.tier, first.source_raw_md5s) == (1, 20, [one.md5])
    assert processed(features, one) == first
    assert processed(features, two, one).version == 2
    latest = processed(features[:-1], one)
    assert latest.version == 3
    assert store.find_processed("tier20", sources=[one], parameters={"code": "a"}) == latest
    assert store.find_processed("tier20", sources=[one], parameters={"code": "b"}) is None
    assert_frame_equal(store.load(first), features)
    assert_frame_equal(store.scan(first).collect(), features)
    assert (first.rows, first.schema) == (features.height, {"date": "Date", "x": "Float64"})
    assert store.verify() == store.Verification(5, (), (), ())


def test_a_computation_that_fails_is_reported_as_it_was_and_leaves_nothing(
    workspace: Path, bars: pl.DataFrame
) -> None:
    raw = register(bars)

    def tables() -> Iterator[pl.DataFrame]:
        yield bars.select("date", "close")
        raise DataError("of the second symbol")

    with pytest.raises(DataError, match=r"^of the second symbol$"):
        store.register_processed(tables(), dataset="tier20", tier=20, sources=[raw], parameters={})
    assert store.processed_artifacts() == []
    assert [path for path in files.processed_folder().rglob("*") if path.is_file()] == []


def _entry(**changes: object) -> Path:
    """Change keys of the only entry of the raw manifest."""
    manifest = files.raw_folder() / "manifest.json"
    value = json.loads(manifest.read_text())
    value["artifacts"][0] |= changes
    manifest.write_text(json.dumps(value))
    return manifest


@pytest.mark.parametrize(
    "path", ["../other.parquet", "/etc/hostname", "data/raw/../../x", "small.yaml", "data/raw", ""]
)
def test_an_entry_that_leads_out_of_the_folder_is_refused_and_nothing_is_overwritten(
    workspace: Path, bars: pl.DataFrame, path: str
) -> None:
    register(bars)
    outside = [workspace / "small.yaml", workspace / "x", workspace.parent / "other.parquet"]
    for file in outside:
        file.write_text("mine")
    _entry(path=path)
    for look in (lambda: register(bars), store.raw_artifacts, store.verify):
        with pytest.raises(IntegrityError, match=r"manifest\.json: entry 1 names .* does not lie"):
            look()
    assert [file.read_text() for file in outside] == ["mine"] * 3


def test_data_may_be_a_link_to_another_disk(
    workspace: Path, bars: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk = tmp_path_factory.mktemp("disk")
    (workspace / "data").symlink_to(disk, target_is_directory=True)
    artifact = register(bars)
    assert artifact.path.startswith("data/raw/files/SPY/")
    assert (disk / artifact.path.removeprefix("data/")).is_file()
    assert_frame_equal(store.load(artifact), bars)
    assert store.verify().ok
    assert store.unregistered() == ()


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"format": 1, "artifacts": {}}', "\x00"])
def test_a_manifest_of_another_shape_is_one_line(
    workspace: Path, bars: pl.DataFrame, text: str
) -> None:
    register(bars)
    (files.raw_folder() / "manifest.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"manifest\.json is damaged"):
        store.raw_artifacts()


def test_every_key_of_an_entry_has_its_type(workspace: Path, bars: pl.DataFrame) -> None:
    whole = register(bars).to_dict()
    for key, value in whole.items():
        _entry(**whole | {key: 3 if isinstance(value, str) else "text"})
        with pytest.raises(IntegrityError, match=f"entry 1 is damaged: {key}"):
            store.raw_artifacts()
