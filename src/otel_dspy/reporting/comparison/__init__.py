"""Comparison of recorded optimizations with each other."""
