"""Every test of this process is a conformance test: what it emits is held against the contract when it ends.

Every instrumentation of DSPy, `autolog` and its private provider included, gets a span exporter more, and providers for
metrics and events where it has none. `@pytest.mark.contract_gaps("part of a violation's text")` declares what a test is
known to break; a gap that no longer shows fails the test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_dspy import DSPyInstrumentor
from otel_dspy.runtime.deferred_queue import drain_deferred
from otel_dspy.telemetry.emitter import Telemetry
from tests.conformance.contract import beyond_gaps, event_violations, metric_violations, violations

if TYPE_CHECKING:
    from collections.abc import Generator

    from otel_dspy.settings import Settings

_KEEP_ALL: Final = ("AlwaysOnSampler", "ParentBased{root:AlwaysOnSampler,")
"""Beginnings of the descriptions of samplers that keep everything."""


class _Hearing(SimpleSpanProcessor):
    """Receives spans without making them end at once: a test sees what it would see without it."""

    accepts_deferred_ends = True


@dataclass
class _Listener:
    """Observes one instrumentation."""

    telemetry: Telemetry
    settings: Settings
    sampled: bool
    spans: InMemorySpanExporter
    metrics: InMemoryMetricReader | None
    events: InMemoryLogRecordExporter | None

    def violations(self) -> list[str]:
        """What was emitted since the last time and breaks the contract."""
        drain_deferred()
        settings = self.settings
        switches = {
            "content": settings.capture_content,
            "programs": settings.capture_programs,
            "datasets": settings.capture_datasets,
        }
        opted_in = frozenset(name for name, on in switches.items() if on) | settings.extra_conventions
        found = violations(self.spans.get_finished_spans(), opted_in=opted_in, sampled=self.sampled)
        self.spans.clear()
        if self.metrics is not None:
            found += metric_violations(self.metrics.get_metrics_data())
        if self.events is not None:
            found += event_violations(self.events.get_finished_logs(), opted_in=opted_in)
            self.events.clear()
        return found


_listeners: Final[list[_Listener]] = []


def _listening(original: Any) -> Any:
    def init(self: Telemetry, settings: Settings, **keywords: Any) -> None:
        provider = keywords.get("tracer_provider")
        if isinstance(provider, TracerProvider):
            spans, metrics, events = InMemorySpanExporter(), None, None
            provider.add_span_processor(_Hearing(spans))
            if keywords.get("meter_provider") is None:
                metrics = InMemoryMetricReader()
                keywords["meter_provider"] = MeterProvider(metric_readers=[metrics], shutdown_on_exit=False)
            if keywords.get("logger_provider") is None:
                events = InMemoryLogRecordExporter()
                keywords["logger_provider"] = LoggerProvider(shutdown_on_exit=False)
                keywords["logger_provider"].add_log_record_processor(SimpleLogRecordProcessor(events))
            sampled = settings.example_ratio < 1 or not provider.sampler.get_description().startswith(_KEEP_ALL)
            _listeners.append(_Listener(self, settings, sampled, spans, metrics, events))
        original(self, settings, **keywords)

    return init


@pytest.fixture(scope="session", autouse=True)
def observed_violations() -> Generator[None]:
    """Every instrumentation of the session is listened to."""
    with mock.patch.object(Telemetry, "__init__", _listening(Telemetry.__init__)):
        yield


def is_observed(instrumentor: DSPyInstrumentor) -> bool:
    """Whether the spans of the instrumentation that is on, sums of usage included, are checked when the test ends."""
    return any(listener.telemetry is instrumentor._telemetry and not listener.sampled for listener in _listeners)


@pytest.fixture(autouse=True)
def held_to_the_contract(request: pytest.FixtureRequest) -> Generator[None]:
    """What the test has emitted keeps the contract but in its declared gaps.

    A listener whose instrumentation was removed is dropped after this check: the metrics of all earlier tests would be
    read after each test, which takes longer than the tests.
    """
    yield
    found = [text for listener in _listeners for text in listener.violations()]
    _listeners[:] = [listener for listener in _listeners if listener.telemetry is DSPyInstrumentor()._telemetry]
    marker = request.node.get_closest_marker("contract_gaps")
    gaps: tuple[str, ...] = marker.args if marker is not None else ()
    beyond = beyond_gaps(found, gaps)
    assert not beyond, "\n".join(["breaks the contract of semconv/:", *beyond[:20]])
