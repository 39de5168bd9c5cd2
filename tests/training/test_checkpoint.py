import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from mlxts import transfer
from mlxts.config.training import TrainingConfig
from mlxts.errors import CheckpointError, DeviceError, StorageError
from mlxts.model.patchtst import PatchTST, Shape, flat_arrays
from mlxts.training import checkpoint
from mlxts.training.checkpoint import LoopState
from mlxts.training.early_stopping import EarlyStopping
from mlxts.training.step import make_optimizer
from tests import devices

SHAPE = Shape("mixing", 3, 12, 4, 4, 8, 1, 2, 12, 3)
STATE = LoopState("run", 7, EarlyStopping(5).update(0.4, 3), 1.25, 96, 0, 3.5)


def _model(seed: int) -> PatchTST:
    return PatchTST(SHAPE, seed=seed)


def _bytes(model: PatchTST) -> dict[str, np.ndarray]:
    return {k: np.array(v) for k, v in flat_arrays(model.parameters()).items()}


def _equal(a: PatchTST, b: PatchTST) -> bool:
    return all(np.array_equal(x, _bytes(b)[k]) for k, x in _bytes(a).items())


def test_what_is_restored_is_what_was_saved(tmp_path: Path) -> None:
    model, optimizer = _model(1), make_optimizer(TrainingConfig())
    optimizer.init(model.trainable_parameters())
    optimizer.update(model, model.trainable_parameters())
    folder = tmp_path / "run" / "checkpoint"
    checkpoint.save(folder, "last", model, STATE, optimizer)
    other, fresh = _model(2), make_optimizer(TrainingConfig())
    fresh.init(other.trainable_parameters())
    state, refused = checkpoint.restore(folder, "last", "run", other, fresh)
    assert (state, refused) == (STATE, [])
    assert _equal(model, other)
    want, got = flat_arrays(optimizer.state), flat_arrays(fresh.state)
    assert want.keys() == got.keys()
    assert all(mx.array_equal(want[k], got[k]) for k in want)


def test_a_state_before_the_first_look_survives(tmp_path: Path) -> None:
    state = replace(STATE, stopping=EarlyStopping(5))
    checkpoint.save(tmp_path, "last", _model(1), state)
    assert checkpoint.restore(tmp_path, "last", "run", _model(2))[0] == state


def test_a_checkpoint_of_before_losses_were_compared_with_the_base_rate_is_read(
    tmp_path: Path,
) -> None:
    path = checkpoint.save(tmp_path, "best", _model(1), STATE) / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"first_loss": 0.7}))
    assert checkpoint.restore(tmp_path, "best", "run", _model(2)) == (STATE, [])


def test_a_checkpoint_that_counts_collapsed_looks_is_read(tmp_path: Path) -> None:
    state = replace(STATE, collapsed_validations=2)
    path = checkpoint.save(tmp_path, "best", _model(1), state) / "state.json"
    path.write_text(path.read_text().replace("collapsed_validations", "collapsed_looks"))
    assert checkpoint.restore(tmp_path, "best", "run", _model(2)) == (state, [])


def test_what_was_restored_is_read_and_not_only_promised(tmp_path: Path) -> None:
    model, optimizer = _model(1), make_optimizer(TrainingConfig())
    optimizer.init(model.trainable_parameters())
    path = checkpoint.save(tmp_path, "last", model, STATE, optimizer)
    other, fresh = _model(2), make_optimizer(TrainingConfig())
    checkpoint.restore(tmp_path, "last", "run", other, fresh)
    for file in path.glob("*.safetensors"):
        with file.open("rb+") as stream:
            stream.truncate(100)
    transfer.evaluate(other.parameters(), fresh.state)
    assert _equal(model, other)


def test_a_checkpoint_of_another_shape_is_refused_by_name(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, "best", PatchTST(replace(SHAPE, rank=4)), STATE)
    with pytest.raises(CheckpointError, match=r"best does not fit this model: .*input_proj"):
        checkpoint.restore(tmp_path, "best", "run", _model(1))


def test_a_checkpoint_of_version_0_1_is_read_under_todays_names(tmp_path: Path) -> None:
    model, optimizer = _model(1), make_optimizer(TrainingConfig())
    optimizer.init(model.trainable_parameters())
    optimizer.update(model, model.trainable_parameters())
    path = checkpoint.save(tmp_path, "last", model, STATE, optimizer)
    old_names = {"ffn_up": "expand", "ffn_down": "contract", "input_proj": "project"}
    state = json.loads((path / "state.json").read_text())
    for file in path.glob("*.safetensors"):
        stored = mx.load(str(file))
        assert isinstance(stored, dict)
        arrays = {
            ".".join(old_names.get(part, part) for part in name.split(".")): value
            for name, value in stored.items()
        }
        assert any("expand" in name for name in arrays)
        transfer.evaluate(arrays)
        checkpoint.write_arrays(file, arrays)
        state["files"][file.name] = checkpoint._fingerprint(file)
    (path / "state.json").write_text(json.dumps(state))
    other, fresh = _model(2), make_optimizer(TrainingConfig())
    checkpoint.restore(tmp_path, "last", "run", other, fresh)
    assert _equal(model, other)
    moments, restored = flat_arrays(optimizer.state), flat_arrays(fresh.state)
    assert moments.keys() == restored.keys()
    assert all(np.array_equal(np.array(moments[k]), np.array(restored[k])) for k in moments)


def test_weights_that_could_not_be_computed_are_no_full_disk(tmp_path: Path) -> None:
    before, broken = _model(1), _model(2)
    checkpoint.save(tmp_path / "checkpoint", "last", before, STATE)
    broken.load_weights(devices.cut_weights(tmp_path, broken))
    with pytest.raises(DeviceError, match="the device failed"):
        checkpoint.save(tmp_path / "checkpoint", "last", broken, replace(STATE, step=9))
    model = _model(3)
    assert checkpoint.restore(tmp_path / "checkpoint", "last", "run", model) == (STATE, [])
    assert _equal(model, before)


@pytest.mark.parametrize("name", ["weights.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_a_damaged_checkpoint_is_refused_by_name_and_the_one_before_is_used(
    tmp_path: Path, name: str, damage: str
) -> None:
    before = _model(1)
    checkpoint.save(tmp_path, "last", before, STATE)
    path = checkpoint.save(tmp_path, "last", _model(2), replace(STATE, step=9)) / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.write_bytes(data[:5] + bytes([data[5] ^ 0xFF]) + data[6:])
    model = _model(3)
    state, refused = checkpoint.restore(tmp_path, "last", "run", model)
    assert state.step == 7
    assert _equal(model, before)
    assert len(refused) == 1
    assert str(tmp_path / "last") in refused[0]


@pytest.mark.parametrize("change", [{"step": "7"}, {"stopping": 4}, {"files": 3}])
def test_a_state_that_is_none_is_named_with_its_file(tmp_path: Path, change: dict) -> None:
    path = checkpoint.save(tmp_path, "best", _model(1), STATE) / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointError, match=f"{path}.*cannot be used.*start again"):
        checkpoint.restore(tmp_path, "best", "run", _model(2))


def test_where_both_are_damaged_each_is_named(tmp_path: Path) -> None:
    for _ in range(2):
        path = checkpoint.save(tmp_path, "last", _model(1), STATE)
    for folder in (path, tmp_path / "last.previous"):
        (folder / "weights.safetensors").unlink()
    both = (
        r"last: weights\S+ is damaged; checkpoint .*last\.previous: weights\S+ is damaged; delete"
    )
    with pytest.raises(CheckpointError, match=both):
        checkpoint.restore(tmp_path, "last", "run", _model(2))


def test_a_state_that_other_ranks_are_told_is_the_same() -> None:
    assert LoopState.from_dict(asdict(STATE)) == STATE


def test_where_nothing_can_be_written_the_systems_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="last: Not a directory; free"):
        checkpoint.save(tmp_path / "file" / "checkpoint", "last", _model(1), STATE)


def test_a_crash_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, "best", _model(1), STATE)
    (tmp_path / "best").rename(tmp_path / "best.previous")
    assert checkpoint.exists(tmp_path, "best")
    assert checkpoint.restore(tmp_path, "best", "run", _model(2))[0] == STATE


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, "last", _model(1), STATE)
    with pytest.raises(CheckpointError, match="belongs to run run, not other"):
        checkpoint.restore(tmp_path, "last", "other", _model(2))


def test_without_a_checkpoint_the_error_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="without --resume"):
        checkpoint.restore(tmp_path, "last", "run", _model(1))


def test_only_the_last_two_are_kept_and_no_temporary_folder(tmp_path: Path) -> None:
    for step in range(5):
        checkpoint.save(tmp_path, "last", _model(step), replace(STATE, step=step))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last", "last.previous"]


def test_a_full_disk_leaves_the_old_checkpoint_and_nothing_half_written(tmp_path: Path) -> None:
    import resource
    import signal

    before = _model(1)
    checkpoint.save(tmp_path, "last", before, STATE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(StorageError, match="free some disk space"):
            checkpoint.save(tmp_path, "last", _model(2), replace(STATE, step=9))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    model = _model(3)
    assert checkpoint.restore(tmp_path, "last", "run", model) == (STATE, [])
    assert _equal(model, before)
    assert [p.name for p in tmp_path.iterdir()] == ["last"]
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("files", {}), ("files", []), ("files", {"weights.safetensors": 3}), ("step", "7"),
        ("stopping", None), ("run_id", 3), ("from_the_future", 1),
    ],
)  # fmt: skip
def test_a_state_with_a_key_of_another_type_is_refused_in_one_line(
    tmp_path: Path, key: str, value: object
) -> None:
    checkpoint.save(tmp_path, "last", _model(1), STATE)
    path = tmp_path / "last" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(CheckpointError, match="last") as raised:
        checkpoint.restore(tmp_path, "last", "run", _model(2))
    assert "\n" not in str(raised.value)


def test_weights_that_do_not_fit_on_the_disk_are_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").mkdir()
    with pytest.raises(OSError, match=r"a\.safetensors"):
        checkpoint.write_arrays(tmp_path / "a.safetensors", {"a": mx.zeros(3)})
