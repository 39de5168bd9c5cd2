"""Many independent runs, a search or the experiment matrix, on any number of machines."""
