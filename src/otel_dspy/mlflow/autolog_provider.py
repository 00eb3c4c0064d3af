"""Tracer provider of `autolog` alone: the environment's limits and samplers are those of other backends."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

from otel_dspy.mlflow.autolog_sampler import AutologSampler
from otel_dspy.sampling import NAME, from_argument

if TYPE_CHECKING:
    from otel_dspy.sampling import ExampleSampler

_logger = logging.getLogger(__name__)

_SAMPLER: Final = "OTEL_TRACES_SAMPLER"
_ARGUMENT: Final = "OTEL_TRACES_SAMPLER_ARG"
_DISABLED: Final = "OTEL_SDK_DISABLED"


def new_provider() -> TracerProvider:
    """Create the tracer provider.

    It samples everything, or a share of the examples with `OTEL_TRACES_SAMPLER=otel_dspy_examples`: another sampler of
    the environment would drop whole optimizations. A warning is logged where OTEL_SDK_DISABLED switches the SDK off.
    """
    if os.environ.get(_DISABLED, "").strip().lower() == "true":  # as the SDK reads it
        _logger.warning(
            "%s=true switches OpenTelemetry off: nothing is recorded in MLflow. Unset the variable", _DISABLED
        )
    examples = _example_sampler()
    # A parent-based one: the calls of an example that is not recorded belong to no trace.
    sampler = AutologSampler(ParentBased(ALWAYS_ON) if examples is None else examples)
    return TracerProvider(sampler=sampler, span_limits=_limits(), shutdown_on_exit=False)


def _example_sampler() -> ExampleSampler | None:
    name = os.environ.get(_SAMPLER, "").strip().lower()
    if name != NAME:
        if name:
            _logger.info("%s=%s does not apply to MLflow, where all traces are recorded", _SAMPLER, name)
        return None
    try:
        return from_argument(os.environ.get(_ARGUMENT))
    except ValueError as error:
        _logger.warning("All examples are recorded in MLflow: %s", error)
        return None


def _limits() -> SpanLimits:
    """Return the SDK's default limits without those of a span's own attributes, whatever the environment sets.

    A shorter program or table is not valid JSON, a span that has lost its attributes belongs to no run, and a trial of
    MIPROv2 has two parameters for each predictor.
    """
    return SpanLimits(
        max_attributes=128, max_events=128, max_links=128, max_event_attributes=128, max_link_attributes=128,
        max_span_attributes=SpanLimits.UNSET, max_attribute_length=SpanLimits.UNSET,
        max_span_attribute_length=SpanLimits.UNSET,
    )  # fmt: skip
