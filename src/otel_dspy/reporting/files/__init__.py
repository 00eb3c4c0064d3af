"""Reports on optimizations from files, without MLflow."""
