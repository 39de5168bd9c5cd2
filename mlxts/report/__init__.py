"""The HTML report, a run's figure and the paper: results as figures and tables."""
