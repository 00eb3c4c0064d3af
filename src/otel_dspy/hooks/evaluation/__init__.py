"""Hooks for evaluations: `evaluate` and `example` spans, and the calls of the metric."""
