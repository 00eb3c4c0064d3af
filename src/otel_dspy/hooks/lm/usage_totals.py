"""Recording of the usage of a language model or embedding call in totals and metrics."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from otel_dspy import semconv
from otel_dspy.telemetry.deferred.aggregation_cache import AttributeSet
from otel_dspy.telemetry.instruments import UNSPANNED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.tallies.lm_roles import Role
    from otel_dspy.telemetry.tallies.usage_tally import CallUsage, UsageTally

_MOST_LABELS: Final = 256
"""Models and optimizers whose labels are kept."""


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


def usage_labels(model: str | None, compiling: CompileScope | None) -> AttributeSet:
    """Return the attributes of the metrics of a call's usage, the same object for equal ones.

    Args:
        model: `gen_ai.request.model`.
        compiling: the enclosing compile.
    """
    return _labels(model, None if compiling is None else compiling.optimizer_name)


@lru_cache(maxsize=_MOST_LABELS)
def _labels(model: str | None, optimizer: str | None) -> AttributeSet:
    labels = {gen_ai.GEN_AI_REQUEST_MODEL: model, semconv.DSPY_OPTIMIZER_NAME: optimizer}
    return AttributeSet({name: value for name, value in labels.items() if value is not None})


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
