"""Mapping from typed records to MLflow operations, as pure functions."""
