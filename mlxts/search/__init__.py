"""Hyperparameter search and sweeps: a queue of independent runs on any number of machines."""
