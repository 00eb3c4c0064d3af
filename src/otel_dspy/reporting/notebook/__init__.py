"""Progress of optimizations in a notebook."""
