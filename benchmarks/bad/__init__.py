"""Bad inputs of every kind, and what the command line makes of each; see `bad_inputs.py`."""
