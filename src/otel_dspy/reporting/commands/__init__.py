"""Commands of otel-dspy that read a recorded optimization."""
