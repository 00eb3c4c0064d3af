"""Conventions beside the project's own: OpenInference, extra attribute names, conversations."""
