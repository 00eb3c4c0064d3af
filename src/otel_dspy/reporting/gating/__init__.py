"""Decision whether an optimization is good enough, for CI."""
