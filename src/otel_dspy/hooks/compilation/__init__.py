"""Hooks of compiles, whatever their optimizer."""
