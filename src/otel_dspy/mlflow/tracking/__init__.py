"""The door to MLflow: operations applied to runs, metrics, artifacts and traces, once each."""
