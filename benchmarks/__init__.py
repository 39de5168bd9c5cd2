"""One file a question. Each is run by `python benchmarks/NAME.py [--quick] [--json FILE]`.

`harness.py` says what a benchmark hands over; `run.py` runs all of them (`make bench`) into one
file of results; `render.py` makes docs/performance.md of it.
"""
