"""Traces shared with MLflow's fluent tracing API."""
