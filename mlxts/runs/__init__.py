"""The run folder: the one place that knows what it holds and under which names."""
