"""Other libraries: weights and tables that leave this one, and weights that come to it."""
