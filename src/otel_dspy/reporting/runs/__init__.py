"""Reading of a recorded optimization from MLflow."""
