"""Limit of the spool's size on disk."""

from __future__ import annotations

import logging
import os
from typing import Final

from otel_dspy.environment.quantities import number_of_bytes
from otel_dspy.environment.variable_names import SPOOL_MAX_BYTES

_logger = logging.getLogger(__name__)

DEFAULT_MAX_BYTES: Final = 1024**3
"""Maximum bytes on disk of one process; beyond it new example traces are dropped."""


def max_bytes() -> int:
    """Return OTEL_DSPY_SPOOL_MAX_BYTES; an invalid value is logged and counts as not set."""
    text = os.environ.get(SPOOL_MAX_BYTES, "").strip()
    if not text:
        return DEFAULT_MAX_BYTES
    try:
        return number_of_bytes(text)
    except ValueError as error:
        _logger.warning("%s: %s. Using the default of %d.", SPOOL_MAX_BYTES, error, DEFAULT_MAX_BYTES)
        return DEFAULT_MAX_BYTES
