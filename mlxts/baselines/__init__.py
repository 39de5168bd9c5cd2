"""What any network has to beat, and what it may build on: forecasters that cost next to nothing."""
