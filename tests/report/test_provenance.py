"""What the report says of the data that runs read."""

from types import SimpleNamespace
from typing import Any

from mlxts.report import provenance

ARTIFACT = {
    "source": "files", "rows": 10, "first": "2020-01-01", "last": "2020-01-10",
    "timestamp": "2026-01-01", "path": "p",
}  # fmt: skip


def run(mode: str, coverage: dict[str, float]) -> Any:
    artifacts = [
        {**ARTIFACT, "symbol": name, "dataset": f"files/{name}", "sha256": name.lower() * 8}
        for name in ("SPY", "VIX")
    ]
    record = {"config": {"mode": mode}, "artifacts": artifacts, "coverage": coverage}
    return SimpleNamespace(metadata=record)


def test_the_manifest_says_on_how_many_training_days_a_series_was_known() -> None:
    runs = [run("strict", {"VIX": 0.9}), run("exploratory", {"VIX": 0.25}), run("strict", {})]
    material: Any = SimpleNamespace(runs=runs)
    spy, vix = provenance.data(material).rows
    assert (spy["runs"], spy["strict_runs"], spy["coverage"]) == (3, 2, None)
    assert (vix["runs"], vix["coverage"]) == (3, 0.25)
