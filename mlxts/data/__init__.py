"""From sources to one panel: fetch, check, store immutably, join."""
