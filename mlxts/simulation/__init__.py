"""Markets whose probabilities are known: what must be found in them, and what must not."""
