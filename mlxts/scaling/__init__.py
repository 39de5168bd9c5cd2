"""Scaling laws: fits and pre-registered verdicts from run folders."""
