"""Hooks of compiles that are independent of the optimizer."""
