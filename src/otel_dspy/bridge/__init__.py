"""OTLP receiver that writes spans to MLflow (`otel-dspy bridge`).

Requests are acknowledged once MLflow has stored them; delivery is idempotent.
"""
