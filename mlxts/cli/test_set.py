"""Evaluations on the test split: each is recorded before it happens."""

from mlxts.cli.output import note


def record_test_evaluation(subject: str, score_on: str) -> None:
    """Record a test-set evaluation, and print its number. Raises StorageError."""
    from mlxts.evaluation import test_split_log

    count = test_split_log.record(subject, score_on)
    note(f"test-set evaluation {count}, recorded in {test_split_log.path()}")
