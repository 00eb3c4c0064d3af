"""Traces in MLflow's tracking store: infos, spans, sums of tokens and cost."""
