"""What lies in a run folder and beside it, and under which name. No other file spells these."""

CONFIG = "config.yaml"  # the configuration with every default filled in
METADATA = "run.json"  # what a run is, written before its first step
METRICS, EVENTS = "metrics.jsonl", "events.jsonl"
CHECKPOINT = "checkpoint"  # a folder: the best weights and the last
OFFSET = "offset.json"  # the regressions under a network that learns their residual
PREDICTIONS = "predictions.parquet"
REFERENCES = "references.json"
SUMMARY = "summary.json"  # what a run reached, written when training has ended
PICTURE = "picture.png"
LOCK = ".lock"  # held by whoever trains the run
LISTING = ".listing.json"  # beside the run folders: what `mlxts runs` read of them

# Files that a tracker copies with a run's numbers; weights stay in the run folder.
ARTIFACTS = (CONFIG, METADATA, METRICS, EVENTS, SUMMARY, PREDICTIONS, REFERENCES, PICTURE)
