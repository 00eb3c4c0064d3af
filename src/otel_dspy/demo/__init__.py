"""Offline demo (`otel-dspy demo`): a real optimization with a local language model, recorded in MLflow."""
