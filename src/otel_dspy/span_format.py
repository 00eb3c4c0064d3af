"""What the producer and the consumers of spans share in addition to the names in `semconv`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy import semconv as sc

if TYPE_CHECKING:
    from collections.abc import Mapping

SCOPE_NAME: Final = "otel_dspy"
"""Name of the instrumentation scope of every span, event and metric."""
PAYLOAD_ENCODING: Final[sc.DspyPayloadEncoding] = "gzip+base64"
"""Encoding of the pieces of a large text: compressed, then encoded as a whole, then split."""
CONTROL_OPERATIONS: Final = frozenset({"compile", "setup", "dataset", "trial", "evaluate", "phase"})
"""Values of `dspy.operation.name` of control spans: the few spans that record an optimization or an evaluation, which
are never sampled out or dropped.
"""
CONTROL_PAYLOADS: Final = tuple(
    f"dspy.{group}." for group in ("compile", "program", "dataset", "evaluate", "phase", "trial", "optimizer")
)
"""Prefixes of the control spans' attributes that can be split into payload spans."""


def is_control(attributes: Mapping[str, object] | None) -> bool:
    """Return whether a span with these attributes is a control span or a payload piece of one."""
    if attributes is None:
        return False
    operation = attributes.get(sc.DSPY_OPERATION_NAME)
    if operation == "payload":
        return str(attributes.get(sc.DSPY_PAYLOAD_ATTRIBUTE)).startswith(CONTROL_PAYLOADS)
    return operation in CONTROL_OPERATIONS and not attributes.get(sc.DSPY_COMPILE_IN_CALL)
