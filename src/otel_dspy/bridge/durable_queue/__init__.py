"""Queue on disk between the bridge's servers and MLflow (`--queue`)."""
