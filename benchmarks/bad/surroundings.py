"""Full disks, folders that cannot be written, wrong environments, odd terminals."""

from collections.abc import Iterator

from benchmarks.bad.arguments import RIGHT, RUN
from benchmarks.bad.case import Case

# Calls that write.
_WRITING: list[list[str]] = [
    ["data", "import", "bars.csv"], ["data", "simulate", "gbm"], ["data", "sample"],
    ["data", "sources", "--write", "--output", "sources.md"],
    ["data", "controls", "--write", "--output", "controls.md"],
    ["data", "download", "SP500", "--source", "sample"],
    ["features", "docs", "--output", "catalog.md"],
    ["features", "plot", "return_1", "--source", "simulated"],
    ["features", "build", "SPY", "--source", "simulated", "--tier", "50"],
    ["train", "small.yaml", "--seed", "7"], ["train", "small.yaml", "--seed", "2", "--resume"],
    ["evaluate", RUN, "--split", "test"], ["scaling", "ledger"],
    ["scaling", "ledger", "--name", "new"], ["report", "--draws", "50", "--out", "page"],
    ["export", RUN, "--to", "huggingface"], ["export", RUN, "--to", "safetensors"],
    ["export", RUN, "--to", "npz"], ["export", RUN, "--to", "csv"],
    ["export", RUN, "--to", "parquet"], ["import", "huggingface", "plain", "--name", "again"],
    ["sweep", "run", "sweep.yaml", "--queue-only"], ["hpo", "run", "search.yaml"],
    ["workspace", "decide", "it", "--why", "so"], ["workspace", "claim", "ws2", "x"],
    ["workspace", "handoff", "ws1", "--summary", "it"],
    ["quickstart", "--yes", "--no-train", "--output", "first.yaml"],
    ["thermal", "--once", "--record", "heat.jsonl"], ["track", "export", RUN, "--to", "mlflow"],
]  # fmt: skip
_READING = ["runs", "data list", "data cell", "features list", "data sources", "data controls",
            "workspace status", "sweep status", "scaling ledger", "evaluate"]  # fmt: skip
_ENVIRONMENTS: list[dict[str, str]] = [
    *({"MLXTS_THREADS": value} for value in ("4294967297", "0", "-1", "abc", "1.5", "9" * 500)),
    {"MLXTS_KERNELS": "Stock"}, {"MLXTS_HOME": "small.yaml"}, {"MLXTS_HOME": "/dev/null"},
    {"MLXTS_LOCKS": "small.yaml"},
]  # fmt: skip


def cases() -> Iterator[Case]:
    for arguments in _WRITING:
        words = " ".join(arguments)
        for size in (0, 300, 5000):
            yield Case("full disk", f"{size} bytes: {words}", arguments, lambda home: "could not",
                       largest_file=size)  # fmt: skip
        yield Case(
            "read-only folder", words, arguments, lambda home: "could not", bound_by_modes=True
        )
    for name in _READING:
        arguments = [*name.split(), *RIGHT[name]]
        yield Case("full standard output", name, arguments, output="/dev/full")
    for environment in _ENVIRONMENTS:
        what = ", ".join(f"{name}={value[:12]}" for name, value in environment.items())
        arguments = ["train", "small.yaml", "--seed", "8"]
        yield Case("environment", what, arguments, environment=environment)
        if "MLXTS_LOCKS" not in environment:
            yield Case("environment", f"{what} (list)", ["data", "list"], environment=environment)
