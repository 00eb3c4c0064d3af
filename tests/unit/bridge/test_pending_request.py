"""How often the spans of a request are parsed, and for how long they stay in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_dspy.bridge import pending_request
from otel_dspy.bridge.experiment_routing import EXPERIMENT_ATTRIBUTE, ExperimentRouter
from otel_dspy.bridge.parsed_spans import SpanMemory
from otel_dspy.bridge.pending_request import PendingRequest
from otel_dspy.otlp_requests.protobuf_spans import MalformedError, spans_in_protobuf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.otlp_requests.protobuf_spans import BadSpanError, ReceivedSpan

_SPANS = 3


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that are parsed."""
    seen: list[bytes] = []

    def counted(body: bytes) -> Iterator[ReceivedSpan | BadSpanError]:
        seen.append(body)
        return spans_in_protobuf(body)

    monkeypatch.setattr(pending_request, "spans_in_protobuf", counted)
    return seen


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for one request, none of it in use."""
    monkeypatch.setattr(pending_request, "span_memory", SpanMemory(len(_body())))


def _body() -> bytes:
    """Three valid spans and an invalid one."""
    body = ExportTraceServiceRequest()
    scope = body.resource_spans.add().scope_spans.add(scope={"name": "otel_dspy"})
    for number in range(_SPANS + 1):
        span = scope.spans.add(trace_id=(1).to_bytes(16, "big"), span_id=number.to_bytes(8, "big"))
        span.start_time_unix_nano = span.end_time_unix_nano = 1
    return body.SerializeToString()


def _request(body: bytes | None = None) -> PendingRequest:
    return PendingRequest(
        body=_body() if body is None else body,
        json=False,
        experiment=None,
        workspace=None,
        experiments=ExperimentRouter("http://mlflow"),
    )


def test_a_checked_request_is_parsed_once(parses: list[bytes]) -> None:
    """A second iteration, after a failure of MLflow's, has the same spans."""
    request = _request()
    assert request.check().total() == 1
    assert request.parsed
    first = list(request)
    assert (len(first), len(request), len(parses)) == (_SPANS, _SPANS, 1)
    assert not request.parsed
    assert list(request) == first
    assert len(parses) == 2


def test_a_request_without_a_place_in_memory_is_parsed_again(parses: list[bytes]) -> None:
    """It has the same spans."""
    first, second = _request(), _request()
    for request in (first, second):
        request.check()
    assert (first.parsed, second.parsed) == (True, False)
    assert list(first) == list(second)
    assert len(parses) == 3


def test_the_memory_of_a_deleted_request_is_free() -> None:
    """As of one whose client has stopped waiting, and of one that is invalid."""
    first = _request()
    first.check()
    del first
    with pytest.raises(MalformedError):
        _request(b"no request").check()
    second = _request()
    second.check()
    assert second.parsed
    list(second)
    third = _request()
    third.check()
    assert third.parsed


def test_each_resource_names_its_experiment() -> None:
    """The spans of a request go to the experiments of their resources; without one they go to the default."""
    body, names = ExportTraceServiceRequest(), ("one", None, "two", "two")
    for number, name in enumerate(names, start=1):
        group = body.resource_spans.add()
        if name is not None:
            group.resource.attributes.add(key=EXPERIMENT_ATTRIBUTE).value.string_value = name
        span = group.scope_spans.add(scope={"name": "otel_dspy"}).spans.add(
            trace_id=(1).to_bytes(16, "big"), span_id=number.to_bytes(8, "big")
        )
        span.start_time_unix_nano = span.end_time_unix_nano = 1
    request = _request(body.SerializeToString())
    assert not request.check()
    found = [route.destination.experiment.name for _, route in request]
    assert found == [name or "Default" for name in names]
