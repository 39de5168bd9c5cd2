"""Evaluations of the test split are recorded before they happen."""

from mlxts.cli.output import note


def record_evaluation(what: str, score_on: str) -> None:
    """Record an evaluation of the test split, and say so. Raises StorageError."""
    from mlxts.evaluation import test_split_log

    count = test_split_log.record(what, score_on)
    note(f"test-set evaluation {count}, recorded in {test_split_log.path()}")
