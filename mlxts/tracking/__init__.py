"""Experiment trackers (MLflow, Weights & Biases), fed from the run's own record."""
