"""Answers to requests, and how they are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_dspy.bridge.configuration.listen_addresses import Address
from otel_dspy.bridge.configuration.settings import BridgeSettings
from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.bridge.intake import Intake
from otel_dspy.bridge.metrics import Metrics
from otel_dspy.bridge.pending_request import PendingRequest
from otel_dspy.bridge.request_answer import RequestStatus
from otel_dspy.bridge.request_writer import RequestWriter
from otel_dspy.mlflow.dropped_attributes_warning import MOST_SERVICES
from otel_dspy.otlp_requests import protobuf_spans as otlp
from tests.support.otlp_json import as_json

if TYPE_CHECKING:
    from collections.abc import Generator

SETTINGS = BridgeSettings(tracking_uri="http://127.0.0.1:9", grpc=Address("127.0.0.1", 0))


@pytest.fixture
def writer() -> Generator[RequestWriter]:
    """One that has nothing to write."""
    writer = RequestWriter(SETTINGS.max_waiting_bytes)
    yield writer
    writer.close(1.0)


async def test_reasons_are_counted_not_listed(writer: RequestWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand bad spans: one count of a thousand in the metrics and in the answer. More than may be: too large."""
    metrics = Metrics(writer)
    counted: list[tuple[str, int]] = []

    def rejected(reason: str, spans: int) -> None:
        counted.append((reason, spans))

    monkeypatch.setattr(metrics, "rejected", rejected)
    intake = Intake(writer, ExperimentRouter(SETTINGS.tracking_uri), metrics, SETTINGS)
    body = b'{"resourceSpans": [{"scopeSpans": [{"spans": [' + b"{}," * 999 + b"{}]}]}]}"

    async def come() -> bytes:
        return body

    answer = await intake.take(come, protocol="http", json=True)
    assert (answer.status, answer.rejected) == (RequestStatus.TAKEN, 1000)
    assert counted == [("trace id is not 16 bytes long or is all zeros", 1000)]
    monkeypatch.setattr(otlp, "MAX_PARTS", 1000)
    answer = await intake.take(come, protocol="http", json=True)
    assert (answer.status, answer.message) == (
        RequestStatus.TOO_LARGE,
        "the request has more than 1000 spans, scopes and resources",
    )
    intake.close()


async def test_a_request_without_room_is_for_later(writer: RequestWriter) -> None:
    """The answer asks the client to send the spans again, and the metrics count them."""
    metrics = Metrics(writer)
    intake = Intake(writer, ExperimentRouter(SETTINGS.tracking_uri), metrics, SETTINGS)
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add(scope={"name": "otel_dspy"}).spans.add()
    span.trace_id, span.span_id = (1).to_bytes(16, "big"), (1).to_bytes(8, "big")
    span.start_time_unix_nano = span.end_time_unix_nano = 1

    async def come() -> bytes:
        return request.SerializeToString()

    writer.close(1.0)
    answer = await intake.take(come, protocol="grpc")
    assert (answer.status, answer.message) == (
        RequestStatus.LATER,
        "the bridge's queue is full; send the request again",
    )
    assert b'otel_dspy_bridge_refused_spans_total{reason="no room"} 1.0' in metrics.text()
    intake.close()


async def test_all_services_of_a_request_whose_spans_lost_attributes_are_named(
    writer: RequestWriter, caplog: pytest.LogCaptureFixture
) -> None:
    """A Collector puts several in one request; as many as the bridge warns of, and their spans are not kept."""
    request = ExportTraceServiceRequest()
    for number in range(1, MOST_SERVICES + 6):
        group = request.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = f"s{number}"
        span = group.scope_spans.add(scope={"name": "otel_dspy"}).spans.add(name="work", dropped_attributes_count=3)
        span.trace_id, span.span_id = (1).to_bytes(16, "big"), number.to_bytes(8, "big")
        span.start_time_unix_nano = span.end_time_unix_nano = 1
    pending = PendingRequest(
        request.SerializeToString(), json=False, experiment="e", workspace=None,
        experiments=ExperimentRouter(SETTINGS.tracking_uri),
    )  # fmt: skip
    assert not pending.check()
    assert list(pending.incomplete) == [f"s{number}" for number in range(1, MOST_SERVICES + 1)]
    intake = Intake(writer, ExperimentRouter(SETTINGS.tracking_uri), Metrics(writer), SETTINGS)

    async def come() -> bytes:
        return pending.body

    writer.close(1.0)
    await intake.take(come, protocol="http", json=False)
    intake.close()
    warned = [one for one in caplog.messages if "limits of the tracer provider" in one]
    assert ["of the service 's1':" in warned[0], "of the service 's2':" in warned[1]] == [True, True]
    assert len(warned) == MOST_SERVICES


@pytest.mark.parametrize("json", [False, True])
async def test_services_whose_spans_lost_attributes_are_named(
    writer: RequestWriter, caplog: pytest.LogCaptureFixture, *, json: bool
) -> None:
    """Once each; not for spans of other libraries, which the bridge does not read."""
    intake = Intake(writer, ExperimentRouter(SETTINGS.tracking_uri), Metrics(writer), SETTINGS)
    request = ExportTraceServiceRequest()
    for number, (service, scope, dropped) in enumerate(
        [("whole", "otel_dspy", 0), ("other", "http", 7), ("first", "otel_dspy", 3), ("first", "otel_dspy", 4)], start=1
    ):
        group = request.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = service
        span = group.scope_spans.add(scope={"name": scope}).spans.add(name="work", dropped_attributes_count=dropped)
        span.trace_id, span.span_id = (1).to_bytes(16, "big"), number.to_bytes(8, "big")
        span.start_time_unix_nano = span.end_time_unix_nano = 1
        span.attributes.add(key="kept").value.int_value = 1
    body = as_json(request) if json else request.SerializeToString()

    async def come() -> bytes:
        return body

    writer.close(1.0)
    for _ in range(2):
        assert (await intake.take(come, protocol="http", json=json)).status is RequestStatus.LATER
    intake.close()
    (message,) = [one for one in caplog.messages if "limits of the tracer provider" in one]
    assert message.startswith(
        "The limits of the tracer provider dropped 3 attributes of the span 'work' of the service 'first': runs, scores"
    )
    assert "more than the span has (4)" in message
