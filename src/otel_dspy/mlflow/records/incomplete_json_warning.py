"""Warning for attributes whose JSON is cut, as by a limit on the length of attributes."""

from __future__ import annotations

import json
import logging
import re
from typing import Final

_logger = logging.getLogger(__name__)
_LONGEST_NAME: Final = 250
_BEGINNING: Final = re.compile(r'\{\s*["}]|\[\s*[\[\]{"\d-]')
"""Beginning of an object or an array. A text that a user's redactor has set is neither."""


def is_incomplete(text: str) -> bool:
    """Return whether a text begins as a JSON object or array and is not one; False if it is nested too deeply."""
    if _BEGINNING.match(text) is None:
        return False
    try:
        json.loads(text)
    except ValueError:
        return True
    except RecursionError:
        return False
    return False


class IncompleteJsonWarning:
    """Logs one warning for each name of an attribute.

    For any thread: two that read the same attribute at the same time may both log it.
    """

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def log(self, span: str, name: str, length: int) -> None:
        """Log the warning if none was logged yet for the attribute.

        Args:
            span: name of the span.
            name: the attribute, one of those that are declared.
            length: its number of characters.
        """
        if name in self._warned:
            return
        self._warned.add(name)
        _logger.warning(
            "The attribute %r of the span %r is cut to %d characters: it is left out, and the program, table or "
            "dataset that needs it is missing in MLflow. Unset OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT and "
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT, SpanLimits(max_span_attribute_length=...) or the limit of a pipeline "
            "between the program and MLflow; further spans are not logged",
            name, span[:_LONGEST_NAME], length,
        )  # fmt: skip


WARNING = IncompleteJsonWarning()
"""The warnings of this process: readers of attributes live as long as one span."""
