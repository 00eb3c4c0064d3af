"""Hooks around DSPy's public methods: a file for each kind of call and each optimizer."""
