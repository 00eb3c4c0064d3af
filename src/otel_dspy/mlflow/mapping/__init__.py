"""What MLflow is told because of it: pure, from typed records to operations."""
