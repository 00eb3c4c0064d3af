"""Writing to MLflow: operations on runs, metrics, artifacts and traces, each idempotent."""
