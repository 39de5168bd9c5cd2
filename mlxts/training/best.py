"""The best weights of a run that has ended, and what is said where they are damaged.

Scores belong to weights: the one before a damaged checkpoint may be used, but not under its name.
"""

from dataclasses import replace
from pathlib import Path

from mlxts.errors import CheckpointError
from mlxts.model.interfaces import Network
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.training import checkpoint
from mlxts.training.events import Listener, NoticeEvent
from mlxts.training.loop import Outcome


def finish(folder: Path, outcome: Outcome, model: Network, tell: Listener) -> Outcome:
    """Restore the best weights, or those before them where they are damaged; evaluation mode.

    Returns:
        The outcome, whose best loss and step are those of the weights that the model now has.

    Raises:
        CheckpointError: neither is whole.
    """
    run_id = outcome.state.run_id
    model.eval()
    found, refused = checkpoint.restore(RunFolder(folder).checkpoints, "best", run_id, model)
    if not refused:
        return outcome
    used = found.stopping
    message = f"{'; '.join(refused)}: scores are of the weights of step {used.best_step}"
    tell(NoticeEvent(outcome.state.step, message))
    stopping = replace(outcome.state.stopping, best=used.best, best_step=used.best_step)
    return Outcome(
        replace(outcome.stop, message=f"{outcome.stop.message}; {message}"),
        replace(outcome.state, stopping=stopping),
    )


def load(folder: Path, run_id: str, model: Network) -> None:
    """Restore the weights that the run's summary tells of, or the best there are without one.

    The model is in evaluation mode afterwards.

    Raises:
        CheckpointError: they are gone or damaged.
        RunError: the summary is damaged.
    """
    model.eval()
    state, refused = checkpoint.restore(RunFolder(folder).checkpoints, "best", run_id, model)
    if refused and state.step != _scored_step(folder):
        raise CheckpointError(
            f"{'; '.join(refused)}, and the one before has other weights than were scored; "
            f"train {folder / layout.CONFIG} again"
        )


def _scored_step(folder: Path) -> int | None:
    """The step of the weights that the summary tells of; None where there is no summary."""
    if not RunFolder(folder).is_finished:
        return None
    return RunFolder(folder).summary(("best_step",))["best_step"]
