"""Scores with confidence intervals from predictions, compared with the baselines' scores."""
