"""App of `mlflow server --app-name otel-dspy`: MLflow's own server, which also writes otel-dspy's spans as runs."""
