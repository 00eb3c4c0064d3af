"""Errors of forecasts."""


class ForecastError(ValueError):
    """A forecast is not possible. The message contains the reason and what to do."""
