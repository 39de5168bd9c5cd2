"""What stands above the numbers of a run: which model, data and device they belong to."""

from typing import TYPE_CHECKING

from mlxts.model import parameter_budget
from mlxts.platform import device
from mlxts.training.events import StartEvent

if TYPE_CHECKING:
    from mlxts.training.run import Plan


def start_event(plan: "Plan", step: int, refused: list[str]) -> StartEvent:
    counts = parameter_budget.count(plan.shape)
    data = plan.dataset
    return StartEvent(
        step=step,
        total_steps=plan.total_steps,
        epochs=plan.config.training.max_epochs,
        resumed=step > 0,
        header={
            "run": plan.run_id,
            "mode": f"{plan.config.mode}, {data.splits_title} splits",
            "model": f"PatchTST {plan.shape.channels}, {counts.total:,} parameters "
            f"({counts.body:,} encoder)",
            "data": f"{plan.config.data.title}, {len(data.names)} features, "
            f"{len(data.samples['train']):,} + {len(data.samples['validation']):,} samples, "
            f"{data.data_hash[:8]}",
            "device": f"{device.device()} ({device.device_name()}), seed {plan.config.seed}",
            **({"refused": "; ".join(refused)} if refused else {}),
        },
    )
