"""Span processor behind tracers and providers that wrap others."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracer, NoOpTracerProvider

from otel_dspy.telemetry.genai.span_processors import processor_of_provider, processor_of_tracer
from tests.support.wrapping_provider import WrappingProvider


def test_tracers_of_one_provider_have_its_processor() -> None:
    """Two tracers of a provider, and the provider; another provider has another one."""
    provider, another = (TracerProvider(shutdown_on_exit=False) for _ in range(2))
    found = processor_of_provider(provider)
    assert found is not None
    assert processor_of_tracer(provider.get_tracer("a")) is processor_of_tracer(provider.get_tracer("b")) is found
    assert processor_of_provider(another) is not found


def test_wrapped_tracers_have_the_processor_of_the_one_inside() -> None:
    """As those of Logfire and of the API's proxies, also where one is inside the other."""
    provider = TracerProvider(shutdown_on_exit=False)
    wrapping, found = WrappingProvider(provider), processor_of_provider(provider)
    assert found is not None
    assert processor_of_provider(wrapping) is found
    assert processor_of_tracer(wrapping.get_tracer("a")) is found
    assert processor_of_tracer(SimpleNamespace(_tracer=wrapping.get_tracer("a"))) is found


@pytest.mark.parametrize("held", [None, NoOpTracer()], ids=["nothing", "no-op"])
def test_without_the_sdk_there_is_none(held: object) -> None:
    """A no-op, and a wrapper of nothing or of a no-op."""
    assert processor_of_tracer(SimpleNamespace(_tracer=held, tracer=None)) is None
    assert processor_of_tracer(NoOpTracer()) is None
    assert processor_of_provider(NoOpTracerProvider()) is None


def test_a_wrapper_of_itself_has_none() -> None:
    """The search ends."""
    itself = SimpleNamespace()
    itself.tracer = itself
    assert processor_of_tracer(itself) is None
