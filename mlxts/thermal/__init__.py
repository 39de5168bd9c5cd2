"""Heat: sensors behind one Protocol, a pure policy, and a guard beside the training loop."""
