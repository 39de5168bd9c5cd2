"""From bars and features to the samples of each split: labels, split dates, purge."""
