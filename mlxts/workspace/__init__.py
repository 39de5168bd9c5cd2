"""The research workspace: workstreams, handoffs, decisions, and checked documents."""
