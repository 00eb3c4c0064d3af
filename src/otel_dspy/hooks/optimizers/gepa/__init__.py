"""Hooks for GEPA: DSPy's optimizer, and runs of the gepa package without DSPy."""
