"""Temperature: sensors behind one Protocol, a pure policy, and a guard that pauses training."""
