"""Conventions other than the project's own: OpenInference, extra attribute names, conversations."""
