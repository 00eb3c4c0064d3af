"""Redaction of secrets: known values, names, patterns, and objects that hold secrets."""
