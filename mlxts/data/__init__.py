"""Market data: fetch, check, store immutably, join into one panel."""
