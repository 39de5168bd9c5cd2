"""Trackers: other programs' pages of a run, beside the run's own record, which stays the truth."""
