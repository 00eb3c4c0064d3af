"""Prefixes of the parameters on an optimization's run that are not the optimizer's own."""

from __future__ import annotations

from typing import Final

LANGUAGE_MODEL: Final = "lm."
"""Prefix of the language model's parameters: `lm.model`, `lm.temperature`."""
FORECAST: Final = "forecast."
"""Prefix of the forecast of usage: `forecast.lm_calls.low`, `forecast.role.<role>.lm_calls.low`."""
