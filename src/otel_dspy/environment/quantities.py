"""Numbers of bytes and seconds with units, as people write them in environment variables and flags."""

from __future__ import annotations

import math
import re
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?)\s*(?P<unit>[a-z]*)", re.IGNORECASE
)
_BYTES: Final[Mapping[str, int]] = {
    "": 1, "b": 1,
    "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9, "t": 10**12, "tb": 10**12,
    "ki": 2**10, "kib": 2**10, "mi": 2**20, "mib": 2**20, "gi": 2**30, "gib": 2**30, "ti": 2**40, "tib": 2**40,
}  # fmt: skip
"""Bytes of a unit: decimal prefixes of the SI, binary ones of IEC 80000-13."""
_SECONDS: Final[Mapping[str, int | Decimal]] = {"": 1, "s": 1, "ms": Decimal("0.001"), "m": 60, "min": 60, "h": 3600}

MOST_SECONDS: Final = min(1e9, threading.TIMEOUT_MAX)
"""Thirty years: Python cannot wait for much longer, and raises an error."""


def number_of_bytes(text: str) -> int:
    """Return a number of bytes: `1048576`, `512MB`, `1 GiB`.

    Raises:
        ValueError: the text is not a size, or not a whole number of bytes of 0 or more.
    """
    value = _quantity(text, _BYTES)
    if value is None or value != value.to_integral_value():
        message = f"{text!r} is not a number of bytes; use a whole number, or a unit as in 512MB or 1GiB"
        raise ValueError(message)
    return int(value)


def number_of_seconds(text: str) -> float:
    """Return a number of seconds: `90`, `1.5`, `500ms`, `2m`, `1h`; at most `MOST_SECONDS`.

    Raises:
        ValueError: the text is not a duration, or not a finite number of 0 or more.
    """
    value = _quantity(text, _SECONDS)
    if value is None:
        message = f"{text!r} is not a number of seconds; use a number, or a unit as in 500ms, 90s, 2m or 1h"
        raise ValueError(message)
    return min(float(value), MOST_SECONDS)


def _quantity(text: str, units: Mapping[str, int | Decimal]) -> Decimal | None:
    found = _QUANTITY.fullmatch(text.strip())
    unit = units.get(found["unit"].lower()) if found is not None else None
    if found is None or unit is None:
        return None
    value = Decimal(found["number"]) * unit  # as a float, 2.01 MB are no whole number of bytes
    return value if value >= 0 and float(value) < math.inf else None
