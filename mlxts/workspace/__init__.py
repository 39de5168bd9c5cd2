"""The records of a research repository: workstreams, handoffs, decisions, checked documents."""
