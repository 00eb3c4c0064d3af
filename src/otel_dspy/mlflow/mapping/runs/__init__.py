"""Mapping of compiles, trials, evaluations, datasets and phases to MLflow runs."""
