"""Runs and program states of an experiment: cached, looked up in MLflow, or created; the processes that own them."""
