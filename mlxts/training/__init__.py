"""The training engine: the compiled update, the loop, checkpoints, and a run from start to end."""
