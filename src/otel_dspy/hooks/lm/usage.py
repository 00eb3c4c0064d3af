"""Recording of the usage of a language model or embedding call in totals and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy import semconv
from otel_dspy.telemetry.instruments import UNSPANNED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.tallies.lm_roles import Role
    from otel_dspy.telemetry.tallies.usage_tally import CallUsage, UsageTally


def add_to_totals(
    attributes: dict[str, AttributeValue], usage: CallUsage, *, tally: UsageTally | None, role: Role, model: str
) -> None:
    """Add a call to the totals of the enclosing spans, and set the related attributes of its span.

    Args:
        attributes: of the call's span.
        usage: tokens and cost (USD) of the call.
        tally: of the nearest enclosing span that has totals; None without one.
        role: what the call was for.
        model: the model's name, valid as part of an attribute name.
    """
    if tally is not None:
        if tally.add(usage, role, model):
            attributes[semconv.DSPY_LM_LATE] = True
        attributes[semconv.DSPY_LM_ROLE] = role


def measure_usage(telemetry: Telemetry, usage: CallUsage, labels: Mapping[str, AttributeValue]) -> None:
    """Add a call to the metrics of cost, unpriced calls and cache hits.

    Args:
        telemetry: provides the instruments.
        usage: tokens and cost (USD) of the call.
        labels: attributes of the metrics.
    """
    if usage.cost:
        telemetry.instruments.cost.add(usage.cost, labels, UNSPANNED)
    if usage.unpriced:
        telemetry.instruments.unpriced_calls.add(1, labels, UNSPANNED)
    if usage.cache_hit:
        telemetry.instruments.cache_hits.add(1, labels, UNSPANNED)
