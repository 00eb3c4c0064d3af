"""`otel-dspy demo`: a real optimization on real data with a real language model, offline, recorded in MLflow."""
