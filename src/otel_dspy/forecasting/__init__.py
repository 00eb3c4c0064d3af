"""Forecast of an optimization before it starts: language model calls, tokens, cost and time."""
