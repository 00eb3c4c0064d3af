"""`otel-dspy replay`: delivers spooled spans to MLflow or to an OTLP endpoint."""
