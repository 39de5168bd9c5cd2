"""Devices, memory, and what makes Linux CPUs fast; nothing here knows of data or models."""
