"""Temperature: sensors behind one Protocol, a pure policy, and a guard of the training loop."""
