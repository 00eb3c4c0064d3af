"""Diagnostics (`otel-dspy doctor`): checks of installed packages, settings and destinations."""
