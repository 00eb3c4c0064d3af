"""Registration of an optimization's best program and its instructions in MLflow's registries."""
