"""Artifacts of runs: tables, programs and their changes, models."""
