"""Name of an evaluation's metric, and the values that it returns."""
