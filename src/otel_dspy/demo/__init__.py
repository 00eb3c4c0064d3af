"""`otel-dspy demo`: a real optimisation on real data with a real language model, offline, recorded in MLflow."""
