"""What `mlxts batch-size` shows: memory planned and measured, seconds a step, and the choice."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlxts import formats
from mlxts.cli.output import Part, console
from mlxts.tables import Column, Table

if TYPE_CHECKING:
    from mlxts.training.batch_size import TuningRecord

_BAR = 40  # characters of the fastest


def screen(record: "TuningRecord", feature_bytes: int) -> Iterator[Part]:
    """A table of memory, a bar for the speed of each micro-batch, and the choice."""
    checkpointing = ", gradient checkpointing" if record.gradient_checkpointing else ""
    columns = (
        Column("micro_batch", "micro-batch"),
        Column("formula", "by formula", formats.mib),
        Column("planned_bytes", "planned", formats.mib),
        Column("measured_bytes", "measured", formats.mib),
        Column("process_bytes", "process", formats.mib),
    )  # fmt: skip
    peak = record.formula.peak
    yield Table(
        f"{record.budget} {record.channels}, {record.features} features, {record.precision}"
        f"{checkpointing}: MiB of a step",
        columns,
        [
            vars(trial)
            | {"formula": peak(trial.micro_batch, record.batch_size // trial.micro_batch)}
            for trial in record.trials
        ],
    )
    plan = record.memory
    yield (
        f"Planned: {formats.mib(plan.update)} MiB while the weights change, or "
        f"{formats.mib(plan.fixed)} MiB and {plan.slope / 2**20:,.2f} a window while gradients are "
        f"computed. Beside {formats.mib(feature_bytes)} MiB of features there is room for "
        f"{formats.mib(record.room_bytes)}.\n"
    )
    yield f"Samples a second, in steps of {record.batch_size}:"
    block = "#" if console().options.ascii_only else "█"
    best = min(trial.seconds_per_step for trial in record.trials)
    for trial in record.trials:
        bar = block * max(1, round(_BAR * best / trial.seconds_per_step))
        speed = record.batch_size / trial.seconds_per_step
        chosen = "  <- chosen" if trial.micro_batch == record.micro_batch else ""
        yield f"{trial.micro_batch:>6} {speed:>10,.1f} {bar}{chosen}"
    yield f"\nMicro-batch {record.micro_batch}: {record.reason}. Recorded for {record.device}."
