"""Our training step against PyTorch's: the same model, weights copied, timed in turns.

First the two must agree (loss and every gradient to 1e-5, without dropout); then, with dropout as
in training, they take turns in two processes and the best step of each counts. The ratio is
PyTorch's seconds over ours, by the clock and (CPU) by the processor time the process was given,
which other work on the machine disturbs less. The share is of the fastest large matrix product
that our process reached with as many threads. Hugging Face's
PatchTST and MLX's wheel as it comes (its own kernels and BLAS) are rows of reference.

python benchmarks/against_torch.py [--quick] [--threads 1 2] [--only 2M] [--compile] [--json FILE]
"""

import argparse
import importlib.util
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from contenders.case import Case, Seconds
from contenders.worker import Worker
from harness import Benchmark, Picture, Skip, main

CASES = (
    Case("2M", "independent", 20, 8),
    Case("2M", "independent", 20, 32),
    Case("2M", "independent", 200, 2),
    Case("2M", "mixing", 20, 64),
    Case("20M", "independent", 20, 8),
    Case("20M", "mixing", 20, 64),
    Case("200M", "mixing", 20, 16),
)
QUICK = (CASES[0], CASES[3])
REFERENCE = CASES[0]  # where Hugging Face's models, torch.compile and the bare wheel are shown
TOLERANCE = 1e-5
AGREE, TIMED = 0.0, 0.5  # dropout while comparing, and while timing
SECONDS_A_TURN = 1.5


def aims(case: Case) -> tuple[float, float]:
    """Wanted: torch's time over ours, and the share of the matrix-product peak."""
    independent = case.budget == "2M" and case.channels == "independent"
    return (1.25 if independent else 1.1), (0.4 if case.budget == "2M" else 0.6)


def short(case: Case) -> str:
    """A case in few letters."""
    mode = {"independent": "ind.", "mixing": "mix."}[case.channels]
    return f"{case.budget} {mode} C{case.features} B{case.batch}"


def compare(case: Case, ours: Worker, torch: Worker) -> tuple[dict[str, Any], float, float]:
    """Both built with the same weights: our facts, and how far loss and gradients differ."""
    ours.ask("make", case=case.record(), dropout=AGREE)
    facts = ours.ask("facts")
    torch.ask("make", case=case.record(), shape=facts["shape"], dropout=AGREE)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "copied"))
        loss = ours.ask("write", path=path)
        differences = torch.ask("compare", path=path, loss=loss)
    return facts, *differences


def quickest(turns: list[Seconds]) -> Seconds:
    """The least of each kind over all turns."""
    return Seconds(min(turn.clock for turn in turns), min(turn.cpu for turn in turns))


def take_turns(
    workers: dict[str, Worker], turns: int
) -> tuple[dict[str, list[Seconds]], dict[str, float]]:
    """The best step of each turn, and the best matrix product of all turns (GFLOP/s)."""
    steps = {}
    for name, worker in workers.items():  # compiles, allocates, and says how long a step takes
        warm = worker.ask("steps", count=3, first=0)
        shortest = min(clock for clock, _ in warm)
        steps[name] = max(1, min(12, round(SECONDS_A_TURN / shortest)))
    best: dict[str, list[Seconds]] = {name: [] for name in workers}
    peaks = dict.fromkeys(("ours", "torch"), 0.0)
    for turn in range(turns):
        for name, worker in workers.items():
            taken = worker.ask("steps", count=steps[name], first=3 + turn * steps[name])
            clock, cpu = zip(*taken, strict=True)
            best[name].append(Seconds(min(clock), min(cpu)))
            if name in peaks:
                peaks[name] = max(peaks[name], worker.ask("peak"))
    return best, peaks


def measure(
    case: Case, threads: int, turns: int, others: list[str], workers: dict[str, Worker]
) -> list[dict[str, Any]]:
    """The rows of one case with one number of threads."""
    ours, torch = workers["ours"], workers["torch"]
    facts, loss, gradients = compare(case, ours, torch)
    if max(loss, gradients) > TOLERANCE:
        raise SystemExit(f"{short(case)}: ours and PyTorch differ by {max(loss, gradients):.1e}")
    used = {"torch": torch, "ours": ours} | {name: workers[name] for name in others}
    for worker in used.values():
        worker.ask("make", case=case.record(), shape=facts["shape"], dropout=TIMED)
    best, peaks = take_turns(used, turns)
    rows = []
    for name in ("ours", *others):
        ratios = [a.clock / b.clock for a, b in zip(best["torch"], best[name], strict=True)]
        theirs, found = quickest(best["torch"]), quickest(best[name])
        seconds, peak = found.clock, peaks["ours"]
        row = case.record() | {
            "model": short(case),
            "threads": threads,
            "contender": name,
            "torch_seconds": theirs.clock,
            "seconds": seconds,
            "ratio": theirs.clock / seconds,
            "torch_cpu_seconds": theirs.cpu,
            "cpu_seconds": found.cpu,
            "cpu_ratio": theirs.cpu / found.cpu,
            "ratio_lowest_turn": min(ratios),
            "ratio_highest_turn": max(ratios),
        }
        if name == "ours":
            gflops = facts["flops"] / seconds / 1e9
            wanted_ratio, wanted_share = aims(case)
            row |= {
                "loss_difference": loss,
                "gradient_difference": gradients,
                "difference": max(loss, gradients),
                "gflops": gflops,
                "peak_gflops": peak,
                "torch_peak_gflops": peaks["torch"],
                "share": gflops / peak,
                "wanted_ratio": wanted_ratio,
                "wanted_share": wanted_share if threads == 1 else None,  # of one thread's peak
            }
        rows.append(row)
    return rows


def against_torch(
    quick: bool, threads: list[int] | None, only: str, turns: int | None, compiled: bool
) -> list[dict[str, Any]]:
    """Every row.

    Raises:
        Skip: PyTorch or transformers is not installed.
        SystemExit: a loss or gradient differs by more than 1e-5.
    """
    missing = [m for m in ("torch", "transformers") if importlib.util.find_spec(m) is None]
    if missing:
        raise Skip(f"{' and '.join(missing)} not installed (make setup EXTRAS=bench)")
    cases = [case for case in (QUICK if quick else CASES) if only in short(case)]
    rows: list[dict[str, Any]] = []
    for count in threads or ([1] if quick else [1, 2]):
        others: list[str] = []
        if count == 1 and REFERENCE in cases:
            others = ["wheel"] + ([] if quick else ["hf classification", "hf prediction"])
            others += ["compiled"] if compiled else []
        workers = {name: Worker(name, count) for name in ("ours", "torch", *others)}
        try:
            for case in cases:
                extra = others if case == REFERENCE else []
                rows += measure(case, count, turns or (3 if quick else 5), extra, workers)
                for name in extra:
                    workers.pop(name).close()
        finally:
            for worker in workers.values():
                worker.close()
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--threads", type=int, nargs="+")
    parser.add_argument("--only", default="")
    parser.add_argument("--turns", type=int)
    parser.add_argument("--compile", action="store_true")
    asked, others = parser.parse_known_args()
    main(
        Benchmark(
            name="against_torch",
            question="Is a training step as fast as PyTorch's?",
            measure=partial(
                against_torch,
                threads=asked.threads,
                only=asked.only,
                turns=asked.turns,
                compiled=asked.compile,
            ),
            columns={
                "model": "model",
                "threads": "threads",
                "contender": "step of",
                "torch_seconds": "torch s|.3f",
                "seconds": "s|.3f",
                "ratio": "ratio|.2f",
                "cpu_ratio": "CPU|.2f",
                "wanted_ratio": "target|.2f",
                "share": "of peak|.0%",
                "wanted_share": "target|.0%",
                "difference": "difference|.0e",
            },
            picture=Picture(
                "bars", ("model", "threads"), "ratio", level=1.0, where={"contender": "ours"}
            ),
            notes=(
                "ratio: seconds of PyTorch (eager, fused AdamW) divided by those of the step "
                "named; CPU: the same in processor time, which depends less on other processes.",
                "of peak: of the best large matrix product with as many threads; difference: "
                "relative, the largest of the loss and every tensor's gradient, same weights, no "
                "dropout.",
                "wheel: MLX as installed, with its own kernels and BLAS.",
            ),
        ),
        others,
    )
