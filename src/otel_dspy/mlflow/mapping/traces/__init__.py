"""Mapping of spans to MLflow traces: spans with inputs and outputs, trace infos, assessments, images."""
