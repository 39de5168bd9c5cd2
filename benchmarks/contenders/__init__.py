"""The same model and the same step by several libraries, each in a process of its own."""
