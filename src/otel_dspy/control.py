"""Which spans tell of an optimization: few, never sampled away, never dropped for want of room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy import semconv as sc

if TYPE_CHECKING:
    from collections.abc import Mapping

OPERATIONS: Final = frozenset({"compile", "setup", "dataset", "trial", "evaluate", "phase"})
"""Their `dspy.operation.name`."""
PAYLOADS: Final = tuple(
    f"dspy.{group}." for group in ("compile", "program", "dataset", "evaluate", "phase", "trial", "optimizer")
)
"""Beginnings of the attributes of those spans that may come in pieces."""


def is_control(attributes: Mapping[str, object] | None) -> bool:
    """Whether a span with these attributes tells of an optimization, or is a piece of one that does."""
    if not attributes:
        return False
    operation = attributes.get(sc.DSPY_OPERATION_NAME)
    if operation == "payload":
        return str(attributes.get(sc.DSPY_PAYLOAD_ATTRIBUTE)).startswith(PAYLOADS)
    return operation in OPERATIONS and not attributes.get(sc.DSPY_COMPILE_IN_CALL)
