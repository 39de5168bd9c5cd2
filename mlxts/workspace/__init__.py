"""What keeps a research repository honest."""
