"""What this machine is, and the memory that a run may have of it."""

import gc
import json

import pytest

from mlxts.platform import device as backend
from mlxts.platform import memory

GIB = 2**30


def test_the_machine_is_described_in_json() -> None:
    described = json.loads(json.dumps(backend.describe()))
    assert described["device"] in ("cpu", "metal", "cuda")
    assert described["memory_bytes"] > 2**30


def test_memory_is_reported_in_bytes() -> None:
    assert backend.memory()["process"] > 10 * 2**20


def test_a_run_plans_with_less_than_the_machine_has() -> None:
    assert 0 < backend.available_memory() <= backend.usable_memory()
    if backend.device() == "cpu":
        assert backend.usable_memory() < memory.total()


@pytest.mark.parametrize(
    ("said", "usable", "available"),
    [
        ({"total_memory": 80 * GIB, "free_memory": 20 * GIB}, 76.0, 20.0),
        ({"total_memory": 80 * GIB, "free_memory": 80 * GIB}, 76.0, 76.0),
    ],
)
def test_a_gpu_is_asked_for_its_own_memory(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, int], usable: float, available: float
) -> None:
    import mlx.core as mx

    monkeypatch.setattr(mx, "device_info", lambda: said)
    assert backend.usable_memory() / GIB == pytest.approx(usable)
    assert backend.available_memory() / GIB == pytest.approx(available, abs=0.2)


@pytest.mark.parametrize(("free", "available"), [(60, 48.0), (20, 18.0 + 2), (0, 2.0)])
def test_a_gpu_that_shares_the_machine_leaves_other_programs_what_they_have(
    monkeypatch: pytest.MonkeyPatch, free: int, available: float
) -> None:
    import mlx.core as mx

    said = {"max_recommended_working_set_size": 48 * GIB, "memory_size": 64 * GIB}
    monkeypatch.setattr(backend, "device", lambda: "metal")
    monkeypatch.setattr(mx, "device_info", lambda: said)
    monkeypatch.setattr(mx, "get_active_memory", lambda: GIB)
    monkeypatch.setattr(mx, "get_cache_memory", lambda: GIB)
    monkeypatch.setattr(memory, "available", lambda: free * GIB)
    assert backend.usable_memory() == 48 * GIB
    assert backend.available_memory() / GIB == available


def test_a_run_that_goes_on_in_tf32_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    began = {**backend.describe(), "tf32": "off"}
    monkeypatch.setenv("MLX_ENABLE_TF32", "1")
    if backend.device() == "cpu":
        assert backend.changes_since(began) == ""  # no CPU knows TF32
    now = {**began, "tf32": "on"}
    monkeypatch.setattr(backend, "describe", lambda: now)
    assert backend.changes_since(began) == "tf32 on instead of off"


@pytest.mark.parametrize(
    ("device", "macos", "limits"),
    [
        ("metal", 15, {"memory": 3 * GIB, "cache": 2 * GIB, "wired": 2 * GIB}),
        ("metal", 14, {"memory": 3 * GIB, "cache": 2 * GIB}),
        ("cuda", 0, {"memory": 3 * GIB, "cache": 2 * GIB}),
        ("cpu", 0, {"memory": 3 * GIB, "cache": GIB // 4}),
    ],
)
def test_what_mlx_may_keep_is_limited(
    monkeypatch: pytest.MonkeyPatch, device: str, macos: int, limits: dict[str, int]
) -> None:
    import mlx.core as mx

    told: dict[str, int] = {}
    monkeypatch.setattr(backend, "device", lambda: device)
    monkeypatch.setattr(backend, "_macos", lambda: macos)
    monkeypatch.setattr(mx, "set_memory_limit", lambda limit: told.update(memory=limit))
    monkeypatch.setattr(mx, "set_cache_limit", lambda limit: told.update(cache=limit))
    monkeypatch.setattr(mx, "set_wired_limit", lambda limit: told.update(wired=limit))
    backend.limit_memory(2 * GIB, 3 * GIB)
    assert told == limits


def test_the_version_of_macos_is_a_number_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backend._macos() >= 0
    monkeypatch.setattr("platform.mac_ver", lambda: ("15.3.1", ("", "", ""), "arm64"))
    assert backend._macos() == 15


def test_no_more_is_wired_than_the_system_lets_a_process_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import mlx.core as mx

    told: list[int] = []
    monkeypatch.setattr(backend, "device", lambda: "metal")
    monkeypatch.setattr(backend, "_macos", lambda: 26)
    monkeypatch.setattr(mx, "device_info", lambda: {"max_recommended_working_set_size": GIB})
    monkeypatch.setattr(mx, "set_memory_limit", lambda limit: None)
    monkeypatch.setattr(mx, "set_cache_limit", lambda limit: None)
    monkeypatch.setattr(mx, "set_wired_limit", told.append)
    backend.limit_memory(2 * GIB, 3 * GIB)
    assert told == [GIB]


def test_host_and_device_share_one_array() -> None:
    import mlx.core as mx
    import numpy as np

    if backend.device() == "cuda":
        pytest.skip("the memory of this device is its own")
    gc.collect()  # arrays of tests before this one that only a cycle holds would go in between
    before = mx.get_active_memory()
    host = backend.host_array(500, 300)
    host[:] = np.arange(150_000).reshape(500, 300)
    one, other = backend.on_device(host), backend.on_device(host)
    assert mx.get_active_memory() - before == host.nbytes
    assert mx.sum(one[3]).item() == host[3].sum()
    host[3] = 0
    assert mx.all(other[3] == 0).item()
    assert np.shares_memory(np.asarray(one), host)


def test_an_array_from_elsewhere_is_copied_to_the_device() -> None:
    import mlx.core as mx
    import numpy as np

    for host in (np.ones((3, 4), dtype=np.float32), backend.host_array(6, 4)[:3] + 1):
        copied = backend.on_device(host)
        host[:] = 0
        assert mx.all(copied == 1).item()
    part = backend.host_array(6, 4)[1:4]
    assert backend.on_device(part).shape == (3, 4)
