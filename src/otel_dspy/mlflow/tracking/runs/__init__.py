"""Parameters, metrics and tags of runs, and the ends of runs."""
