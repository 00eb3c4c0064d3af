"""The metric of an evaluation: its name, and the values that it returns."""
