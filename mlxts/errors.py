"""The errors a user can cause. Each message is one line that names the remedy."""

from mlxts import protocol


class MlxtsError(Exception):
    """Root of every error that a user can cause; the command line prints it and exits 2.

    `exit_code` is another one where a program should go on differently.
    """

    exit_code = protocol.EXIT_USAGE


class FormerNameWarning(FutureWarning):
    """A name of the last release: it still works, and the next one removes it."""


class ConfigError(MlxtsError):
    """A configuration that cannot be read, or that its mode (strict, exploratory) forbids."""


class DataError(MlxtsError):
    """Data that is missing, malformed, or breaks a rule that every bar must satisfy."""


class SourceError(DataError):
    """A source that could not deliver: network, rate limit, unknown symbol, wrong format."""


class OfflineError(SourceError):
    """A server whose name cannot be resolved: there is no network, and a retry does not help."""


class IntegrityError(DataError):
    """Bytes that differ from what the manifest recorded."""


class EmptySplitError(DataError):
    """A split that holds no sample."""


class BudgetError(MlxtsError):
    """A parameter budget that no shape can meet."""


class ShapeError(MlxtsError, ValueError):
    """A model that cannot be built so, or input of another shape than a model was built for."""


class CheckpointError(MlxtsError):
    """A checkpoint that is missing, truncated or belongs to another run."""


class RunError(MlxtsError):
    """A run that cannot be found, started or continued."""


class BusyError(RunError):
    """A run, or the device, that another process has; the message names the process."""


class TakenOverError(RunError):
    """A run that another worker was given, because this one gave no sign of life for too long."""


class StorageError(MlxtsError):
    """A file that could not be written: disk full, no permission."""


class InteropError(MlxtsError):
    """A model that has no counterpart in another library, or a file of one that cannot be read."""


class DeviceError(MlxtsError):
    """A computation that the device did not finish; nothing of it was used.

    Among the causes: the operating system ended work on the GPU, memory ran out, a file that
    arrays are read from was cut. Training goes on from its last checkpoint with `--resume`.
    """

    exit_code = protocol.EXIT_DEVICE


class DivergedError(MlxtsError):
    """Training that left the finite numbers."""


class SearchError(MlxtsError):
    """A study, a sweep or a worker that cannot go on."""


class WorkspaceError(MlxtsError):
    """A record of the workspace that cannot be read, or an action that another's claim forbids."""


class TrackingError(MlxtsError):
    """A tracker that is not installed, or that refused a run; the run's own record is whole."""
