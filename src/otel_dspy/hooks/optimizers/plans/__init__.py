"""Arithmetic of the optimizers: how many program runs and language model calls a compile will make."""
