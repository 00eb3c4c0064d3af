"""Requests to MLflow: retry policy, error classification, HTTP policy, workspaces, concurrency."""
