"""Provenance of the figures: number of runs and searches, data, software, temperature."""

from collections import Counter
from typing import Any

from mlxts.evaluation import test_split_log
from mlxts.formats import count, percent
from mlxts.report.collect import ReportData, ReportRun
from mlxts.runs.index import run_folders
from mlxts.search import study_runs
from mlxts.tables import Column, Table
from mlxts.thermal.step_time_drift import TOLERANCE

_STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")


def studies(storage_url: str | None = None) -> Table:
    """Every search and sweep of a storage, and how many trials it took."""
    rows = []
    for study in study_runs.studies(storage_url):
        counts = Counter(trial.state.name for trial in study.trials)
        rows.append(
            {
                "study": study.study_name,
                "kind": study.user_attrs["kind"],
                "mode": _mode(study.user_attrs["config"]),
                "trials": len(study.trials),
                **{state.lower(): counts[state] for state in _STATES},
            }
        )
    rows.sort(key=lambda row: row["study"])
    return Table(
        name="studies",
        title="Searches and sweeps",
        columns=(
            "study",
            "kind",
            "mode",
            "trials",
            "complete",
            "pruned",
            Column("fail", "failed"),
            "running",
            "waiting",
        ),
        rows=rows,
        note="The best of many trials is optimistic; `mlxts hpo show --rerun-seeds` measures it.",
    )


def _mode(config: dict[str, Any]) -> str:
    """Of an experiment, or of the base of a sweep."""
    settings = config.get("base", config)
    return settings.get("mode", "strict") if isinstance(settings, dict) else "strict"


def test_set_evaluations() -> Table:
    """Every time the test split was opened in this workspace."""
    return Table(
        name="test_set_evaluations",
        title="Test-set evaluations",
        columns=(Column("when", "when, UTC"), "who", "run", Column("score_on", "symbol")),
        rows=test_split_log.history(),
    )


def multiple_testing(report: ReportData, searched: Table) -> str:
    """The number of runs, trials and test-set evaluations, in a few sentences."""
    here = len(run_folders())
    modes = Counter(run.record["config"]["mode"] for run in report.runs)
    sentences = [
        f"This report is about {count(len(report.runs), 'finished run')} "
        f"({modes['strict']} strict, {modes['exploratory']} exploratory)"
        + (
            f"; {len(report.unfinished)} of the selected ones are not finished"
            * bool(report.unfinished)
        )
        + f". The workspace holds {count(here, 'run')} in all."
    ]
    trials = sum(row["trials"] for row in searched.rows)
    sentences.append(
        f"Its storage holds {count(len(searched.rows), 'search or sweep', 'searches and sweeps')} "
        f"with {count(trials, 'trial')}."
        if searched.rows
        else "Its storage holds no searches or sweeps."
    )
    evaluations = len(test_split_log.history())
    sentences.append(
        f"The test split was evaluated {count(evaluations, 'time')}."
        if evaluations
        else "The test split has never been evaluated."
    )
    return " ".join(sentences)


def data(report: ReportData) -> Table:
    """Every artifact that a run read."""
    artifacts: dict[str, dict[str, Any]] = {}
    readers: Counter[str] = Counter()
    strict: Counter[str] = Counter()
    known: dict[str, float] = {}
    for run in report.runs:
        for artifact in run.record["artifacts"]:
            artifacts[artifact["sha256"]] = artifact
            readers[artifact["sha256"]] += 1
            strict[artifact["sha256"]] += run.record["config"]["mode"] == "strict"
            share = run.record.get("coverage", {}).get(artifact["symbol"])
            if share is not None:
                known[artifact["sha256"]] = min(share, known.get(artifact["sha256"], 1.0))
    rows = [
        {
            "dataset": a["dataset"],
            "source": a["source"],
            "rows": a["rows"],
            "first": a["first"],
            "last": a["last"],
            "runs": readers[digest],
            "strict_runs": strict[digest],
            "coverage": known.get(digest),
            "registered": a["timestamp"],
            "sha256": digest,
            "path": a["path"],
        }
        for digest, a in artifacts.items()
    ]
    return Table(
        name="data",
        title="Data manifest",
        columns=(
            "dataset",
            "source",
            "rows",
            "first",
            "last",
            Column("runs", "read by runs"),
            Column("strict_runs", "of them strict"),
            Column("coverage", "known on training days", ".1%"),
            Column("sha256", "SHA-256", lambda digest: digest[:16]),
        ),
        rows=sorted(rows, key=lambda row: (row["dataset"], row["sha256"])),
        note=(
            "Known: on which share of the scored asset's training days a value of the series was "
            "known, the lowest of the runs; before that its features are 0. Whole digests are in "
            "the CSV; `mlxts check data` compares them with the files."
        ),
    )


def machines(report: ReportData) -> Table:
    """Software and machines, with how many runs each made."""
    rows: dict[tuple, dict[str, Any]] = {}
    for run in report.runs:
        row = _machine(run)
        rows.setdefault(tuple(row.values()), row | {"runs": 0})["runs"] += 1
    return Table(
        name="machines",
        title="Machines and versions",
        columns=(
            Column("device_name", "device"),
            Column("device", "kind"),
            Column("mlx", "MLX"),
            Column("blas", "BLAS"),
            "threads",
            "versions",
            "splits",
            Column("code_version", "code", lambda digest: digest[:12]),
            Column("git_commit", "commit", lambda digest: digest[:10]),
            "runs",
        ),
        rows=[rows[key] for key in sorted(rows, key=str)],
        note="Code: digest of the files that decide a run's numbers. Runs of different code, "
        "machines or versions are different runs.",
    )


def _machine(run: ReportRun) -> dict[str, Any]:
    machine = run.record.get("machine", {})
    versions = run.record.get("versions", {})
    return {
        **{key: machine.get(key) for key in ("device_name", "device", "platform", "python")},
        **{key: machine.get(key) for key in ("mlx", "blas", "threads", "kernels")},
        "versions": ", ".join(f"{name} {number}" for name, number in sorted(versions.items())),
        "splits": run.record.get("splits"),
        "code_version": run.record.get("code_version"),
        "git_commit": run.record.get("git_commit"),
    }


def temperatures(report: ReportData) -> Table:
    """Temperatures of each run, and the runs that slowed down."""
    rows = []
    for run in report.runs:
        seen = run.summary.get("thermal", {})
        bands = seen.get("readings_in_band", {})
        rows.append(
            {
                "run": run.id,
                "mode": run.record["config"]["mode"],
                "sensor": seen.get("source"),
                "highest": seen.get("highest"),
                "hottest": seen.get("hottest"),
                "warning": bands.get("warning"),
                "critical": bands.get("critical"),
                "paused_seconds": seen.get("paused_seconds"),
                "step_time_ratio": seen.get("step_time_ratio"),
                "step_time_drift": bool(seen.get("step_time_drift")),
                "reason": seen.get("step_time_drift_reason") or "",
            }
        )
    return Table(
        name="temperature",
        title="Temperature",
        columns=(
            "run",
            "mode",
            "sensor",
            Column("highest", "highest, °C", ".0f"),
            Column("warning", "readings in warning"),
            Column("critical", "in critical"),
            Column("paused_seconds", "paused, s", ".0f"),
            Column("step_time_ratio", "last / first steps", ".2f"),
            Column("step_time_drift", "step time drifted"),
            "reason",
        ),
        rows=rows,
        note="Step time drifted: later steps took over "
        f"{percent(TOLERANCE)} longer than the first ones, because the machine throttled (which "
        "some show in no sensor) or other programs shared it. Losses do not depend on it and are "
        "used; times are left out. For times that compare, train with nothing beside it.",
    )


def flags(report: ReportData) -> str:
    """Sentences on runs that slowed down and on temperatures that were not read."""
    thermal = [run.summary.get("thermal", {}) for run in report.runs]
    drifted = sum(bool(values.get("step_time_drift")) for values in thermal)
    unread = sum(not values.get("readings") for values in thermal)
    slowed = "No run slowed down while training."
    if drifted:
        slowed = (
            f"{drifted} of {count(len(report.runs), 'run')} slowed down while training: a machine "
            "that throttles, or other programs beside it. Their losses are used, their times are "
            "left out."
        )
    return f"{slowed} {_temperatures_of(len(thermal) - unread, len(thermal))}"


def _temperatures_of(read: int, runs: int) -> str:
    if not read:
        return "No temperature was read: no sensor was found (`mlxts thermal --once`)."
    return f"Temperatures were read in {read} of {count(runs, 'run')}."
