"""`otel-dspy replay`: what was kept on disk, told to MLflow or to any OTLP endpoint later."""
