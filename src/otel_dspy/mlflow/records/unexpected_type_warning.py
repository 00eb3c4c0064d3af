"""Warning for attributes whose type is not the one that otel-dspy sets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span import AttributeValue

_logger = logging.getLogger(__name__)
MOST_ATTRIBUTES: Final = 100
"""Attributes that one process warns of: names of roles and models are part of some."""
_LONGEST_NAME: Final = 250
_TYPES: Final[tuple[tuple[type[object], str], ...]] = (
    (str, "a string"), (bool, "a boolean"), (int, "an int"), (float, "a double"),
)  # fmt: skip
"""OpenTelemetry's names of types. A boolean is an int in Python, so its row is the first of the two."""


class UnexpectedTypeWarning:
    """Logs one warning for each name of an attribute, up to `MOST_ATTRIBUTES`.

    For any thread: two that read the same attribute at the same time may both log it.
    """

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def log(self, span: str, name: str, value: AttributeValue, expected: type[float | str]) -> None:
        """Log the warning if none was logged yet for the attribute.

        Args:
            span: name of the span.
            name: the attribute.
            value: what the span has; only its type is logged.
            expected: type that otel-dspy sets.
        """
        if name in self._warned or len(self._warned) >= MOST_ATTRIBUTES:
            return
        self._warned.add(name)
        _logger.warning(
            "The attribute %r of the span %r is %s, not %s: it is left out, and the run, score or usage that needs "
            "it may be missing in MLflow. A pipeline between the program and MLflow has changed its type; further "
            "spans are not logged",
            name[:_LONGEST_NAME], span[:_LONGEST_NAME], _type_text(type(value)), _type_text(expected),
        )  # fmt: skip


WARNING = UnexpectedTypeWarning()
"""The warnings of this process: readers of attributes live as long as one span."""


def _type_text(found: type[object]) -> str:
    return next((text for kind, text in _TYPES if issubclass(found, kind)), "an array")
