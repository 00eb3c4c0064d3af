"""Delivery to MLflow when several bridges write the same runs and traces."""
