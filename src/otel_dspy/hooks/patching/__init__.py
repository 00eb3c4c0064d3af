"""Wrapping of DSPy's functions and methods, and the exact removal of the wrappers."""
