"""Scaling laws: run folders in, fitted laws and pre-registered verdicts out."""
