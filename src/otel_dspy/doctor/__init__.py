"""`otel-dspy doctor`: what is installed, what is switched on, where it goes, and what is wrong with that."""
