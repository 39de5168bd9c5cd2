"""Simulated markets with known probabilities: positive and negative controls."""
