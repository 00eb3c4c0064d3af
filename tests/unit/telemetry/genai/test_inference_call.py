"""A call that reaches the library only when it has ended is recorded as if the library had started it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from opentelemetry.context import Context, get_value
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util.genai._conversation_context import get_ambient_conversation_id
from opentelemetry.util.genai.handler import TelemetryHandler
from opentelemetry.util.genai.invocation import CLIENT_INFERENCE_CONTEXT_KEY
from opentelemetry.util.genai.types import Error

from otel_dspy.settings import Settings
from otel_dspy.telemetry.emitter import Telemetry
from otel_dspy.telemetry.genai.inference_call import InferenceCall

if TYPE_CHECKING:
    from otel_dspy.telemetry.genai.inference_template import Request

REQUESTS: dict[str, Request] = {
    "all that is known": {
        "provider": "openai",
        "request_model": "gpt-4o-mini",
        "server_address": "127.0.0.1",
        "server_port": 8080,
        "operation_name": "chat",
    },
    "no model, no address": {
        "provider": "dummylm",
        "request_model": None,
        "server_address": None,
        "server_port": None,
        "operation_name": "text_completion",
    },
}


class _Heard:
    """Providers and what they got."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.metrics = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.meter_provider = MeterProvider([self.metrics], shutdown_on_exit=False)

    def snapshot_of_call(self) -> tuple[object, ...]:
        """The span and the metrics, but for ids and times."""
        (span,) = self.spans.get_finished_spans()
        data: Any = self.metrics.get_metrics_data()
        points = sorted(
            (metric.name, sorted(dict(point.attributes).items()), point.count)
            for scope in data.resource_metrics[0].scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        )
        status = (span.status.status_code, span.status.description)
        return span.name, span.kind, dict(span.attributes or {}), status, points


def _ours(received: _Heard, request: Request) -> InferenceCall:
    telemetry = Telemetry(Settings(), tracer_provider=received.tracer_provider, meter_provider=received.meter_provider)
    call = telemetry.genai.call(Context(), request)
    assert isinstance(call, InferenceCall)
    return call


@pytest.mark.parametrize("failure", [None, Error(message="it broke", type="builtins.ValueError")], ids=["ok", "error"])
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_it_is_recorded_as_by_the_library(request_: Request, failure: Error | None) -> None:
    """Name, kind, attributes, status and metrics are those of the library's own invocation, made at the start."""
    theirs, ours = _Heard(), _Heard()
    library = TelemetryHandler(theirs.tracer_provider, theirs.meter_provider, None, None, "x", "1")
    invocation = library.inference(context=Context(), _attach_to_context=False, **request_)
    invocation.record_stream_chunk()
    call = _ours(ours, request_)
    call.record_stream_chunk()
    for ending in (invocation, call.invocation(late=0.5)):
        ending.input_tokens = 3
        if failure is None:
            ending.stop()
        else:
            ending.fail(failure)
    expected, found = theirs.snapshot_of_call(), ours.snapshot_of_call()
    time_to_first_chunk = "gen_ai.response.time_to_first_chunk"
    for snapshot_of_call in (expected, found):
        assert 0 <= cast("dict[str, float]", snapshot_of_call[2]).pop(time_to_first_chunk) < 0.4
    assert found == expected


@pytest.mark.parametrize("emits", [True, False])
def test_a_call_has_an_event_where_the_library_emits_it(monkeypatch: pytest.MonkeyPatch, *, emits: bool) -> None:
    """The library's own setting decides."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT", str(emits).lower())
    assert _ours(_Heard(), REQUESTS["all that is known"]).has_event is emits


def test_a_sampler_sees_what_the_library_shows_it() -> None:
    """The first attributes are there when the span starts: the operation, the provider, the model and the address."""
    received = _Heard()
    span: Any = _ours(received, REQUESTS["all that is known"]).span
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "server.address": "127.0.0.1",
        "server.port": 8080,
    }


def test_models_that_take_turns_keep_their_templates() -> None:
    """The last one is found by identity, all by value."""
    received = _Heard()
    telemetry = Telemetry(Settings(), tracer_provider=received.tracer_provider, meter_provider=received.meter_provider)
    templates = telemetry.genai.templates
    assert templates is not None
    requests = list(REQUESTS.values())
    first = [templates.of(request) for request in requests]
    assert [templates.of(request) for request in requests] == first
    assert [templates.of(request.copy()) for request in reversed(requests)] == first[::-1]
    assert [template.attributes.get("gen_ai.request.model") for template in first] == [
        request["request_model"] for request in requests
    ]


def test_calls_inside_find_what_they_look_for() -> None:
    """Others made with the library find the call to add what they know, and the conversation that it is a part of."""
    received = _Heard()
    telemetry = Telemetry(Settings(), tracer_provider=received.tracer_provider, meter_provider=received.meter_provider)
    templates = telemetry.genai.templates
    assert templates is not None
    call = InferenceCall(templates.of(REQUESTS["all that is known"]), Context(), "a talk")
    assert get_ambient_conversation_id(call.context) == "a talk"
    inside: Any = get_value(CLIENT_INFERENCE_CONTEXT_KEY, call.context)
    inside.response_model = "gpt-4o-mini-2024"
    call.invocation().stop()
    (span,) = received.spans.get_finished_spans()
    assert (span.attributes or {})["gen_ai.response.model"] == "gpt-4o-mini-2024"
    assert (span.attributes or {})["gen_ai.conversation.id"] == "a talk"
