"""What `mlxts batch-size` shows: memory planned and measured, seconds a step, and the choice."""

from typing import TYPE_CHECKING

from mlxts.cli.output import console, say, table

if TYPE_CHECKING:
    from mlxts.training.batch_size import Trial, TuningRecord

_MIB = 2**20
_BAR = 40  # characters of the fastest


def show(record: "TuningRecord", feature_bytes: int) -> None:
    """Print a record: a table of memory, a bar for the speed of each micro-batch, the choice."""
    checkpointing = ", gradient checkpointing" if record.gradient_checkpointing else ""
    table(
        f"{record.budget} {record.channels}, {record.features} features, {record.precision}"
        f"{checkpointing}: MiB of a step",
        ["micro-batch", "by formula", "planned", "measured", "process"],
        [_memory(record, trial) for trial in record.trials],
    )
    plan = record.memory
    say(
        f"Planned: {_mib(plan.update):,} MiB while the weights change, or {_mib(plan.fixed):,} MiB "
        f"and {plan.slope / _MIB:,.2f} a window while gradients are computed. Beside "
        f"{_mib(feature_bytes):,} MiB of features there is room for {_mib(record.room_bytes):,}.\n"
    )
    print(f"Samples a second, in steps of {record.batch_size}:")
    block = "#" if console().options.ascii_only else "█"
    best = min(trial.seconds_per_step for trial in record.trials)
    for trial in record.trials:
        bar = block * max(1, round(_BAR * best / trial.seconds_per_step))
        speed = record.batch_size / trial.seconds_per_step
        chosen = "  <- chosen" if trial.micro_batch == record.micro_batch else ""
        print(f"{trial.micro_batch:>6} {speed:>10,.1f} {bar}{chosen}")
    say(f"\nMicro-batch {record.micro_batch}: {record.reason}. Recorded for {record.device}.")


def _memory(record: "TuningRecord", trial: "Trial") -> list[int]:
    counted = record.formula.peak(trial.micro_batch, record.batch_size // trial.micro_batch)
    taken = (counted, trial.planned_bytes, trial.measured_bytes, trial.process_bytes)
    return [trial.micro_batch, *map(_mib, taken)]


def _mib(count: float) -> int:
    return round(count / _MIB)
