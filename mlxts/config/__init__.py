"""The configuration of an experiment: a file for each section, YAML in, a canonical hash."""
