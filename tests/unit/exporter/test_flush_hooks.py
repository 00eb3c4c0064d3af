"""Which processors accept ends of spans after their calls."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import SpanProcessor

from otel_dspy.exporter.flush_hooks import accepts_deferred_ends


@pytest.mark.parametrize(
    ("attributes", "accepted"),
    [({}, False), ({"accepts_deferred_ends": True}, True), ({"takes_late_ends": True}, True)],
)
def test_a_processor_declares_that_it_accepts_deferred_ends(attributes: dict[str, bool], accepted: bool) -> None:  # noqa: FBT001 - a table's column
    """By an attribute, whose deprecated name holds too; without it ends are not deferred."""
    assert accepts_deferred_ends(type("Queueing", (SpanProcessor,), attributes)()) is accepted
