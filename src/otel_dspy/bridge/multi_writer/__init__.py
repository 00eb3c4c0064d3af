"""Delivery to MLflow by one of several writers of the same runs and traces."""
