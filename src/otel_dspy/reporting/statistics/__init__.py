"""Statistics of scores, computed by SciPy."""
