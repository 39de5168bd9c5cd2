"""Trackers: MLflow and Weights & Biases. The run folder stays the primary record."""
