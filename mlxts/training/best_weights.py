"""Back to the weights with the best validation loss, when training has ended."""

from dataclasses import replace
from pathlib import Path

from mlxts.model.interfaces import Network
from mlxts.training import checkpoint
from mlxts.training.events import Listener, NoticeEvent
from mlxts.training.loop import Outcome


def restore(folder: Path, outcome: Outcome, model: Network, emit: Listener) -> Outcome:
    """Put the best weights back when training has ended; the model is in evaluation mode then.

    Where they are damaged, the best before them take their place, and scores are theirs.

    Args:
        folder: of the checkpoints.

    Returns:
        The outcome, whose best loss and step are those of the weights that the model now has.

    Raises:
        CheckpointError: neither is whole.
    """
    model.eval()
    restored, refused = checkpoint.restore(folder, "best", outcome.state.run_id, model)
    if not refused:
        return outcome
    best, best_step = restored.stopping.best, restored.stopping.best_step
    message = f"{'; '.join(refused)}: scores are of the weights of step {best_step}"
    emit(NoticeEvent(outcome.state.step, message))
    stopping = replace(outcome.state.stopping, best=best, best_step=best_step)
    return Outcome(
        replace(outcome.stop, message=f"{outcome.stop.message}; {message}"),
        replace(outcome.state, stopping=stopping),
    )
