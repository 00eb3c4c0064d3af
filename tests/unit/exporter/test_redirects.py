"""Receivers that send a request elsewhere or ask for more time than it has: nothing counts as delivered, nothing is lost."""

from __future__ import annotations

import logging
from http.server import ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SpanExportResult

from otel_dspy.diagnosis.checks.exporters import exporters
from otel_dspy.diagnosis.finding import Level
from otel_dspy.exporter import OtlpBySizeExporter, resend_buffer
from otel_dspy.exporter.splitting import _size
from otel_dspy.mlflow.spool_replay import replay_to_otlp
from tests.support.loopback_server import LoopbackHandler, running
from tests.unit.exporter.test_splitting import spans

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk.trace import ReadableSpan


class Receiver(ThreadingHTTPServer):
    """Answers with the first of `answers`, then 200; keeps the names of the spans that it has taken."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.requests = 0
        self.names: list[str] = []

    @property
    def endpoint(self) -> str:
        """Of traces."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"


class _Handler(LoopbackHandler):
    def do_POST(self) -> None:
        receiver = cast("Receiver", self.server)
        receiver.requests += 1
        body = self.read_body()
        status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
        if status == 200 and self.headers["Content-Type"] == "application/x-protobuf":
            request = ExportTraceServiceRequest.FromString(body)
            receiver.names += [
                span.name for found in request.resource_spans for scope in found.scope_spans for span in scope.spans
            ]
        self.answer(status, headers=headers)


@pytest.fixture
def receiver() -> Generator[Receiver]:
    """A receiver on a free port."""
    with running(Receiver()) as server:
        yield server


class Clock:
    """Stands for the module `time`."""

    now = 100.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of what is retained."""
    clock = Clock()
    monkeypatch.setattr(resend_buffer, "time", clock)
    return clock


def _named(*names: str) -> list[ReadableSpan]:
    made = spans([1] * len(names))
    for span, name in zip(made, names, strict=True):
        span._name = name
    return made


REDIRECTS = (301, 302, 303, 307, 308)


@pytest.mark.parametrize("status", REDIRECTS)
def test_opentelemetrys_own_exporter_counts_a_redirect_as_success(status: int, receiver: Receiver) -> None:
    """The library's behavior that the rest of this file is about: fails when it has changed."""
    receiver.answers = [(status, {"Location": "https://elsewhere/v1/traces"})]
    exporter = OTLPSpanExporter(endpoint=receiver.endpoint)
    assert exporter.export(_named("a")) is SpanExportResult.SUCCESS
    assert (receiver.requests, receiver.names) == (1, [])


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_is_reported_and_its_batch_kept(
    status: int, receiver: Receiver, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Not followed: the headers may hold a key. Sent again, in order, once the receiver has stopped."""
    receiver.answers = [(status, {"Location": "https://me:geheim@elsewhere/v1/traces?token=geheim"})]
    exporter = OtlpBySizeExporter(protocol="http/protobuf", endpoint=receiver.endpoint)
    with caplog.at_level(logging.ERROR):
        assert exporter.export(_named("a")) is SpanExportResult.FAILURE
    assert f"{receiver.endpoint} redirects to https://elsewhere/v1/traces (status {status})" in caplog.text
    assert "geheim" not in caplog.text
    assert exporter.export(_named("b")) is SpanExportResult.FAILURE
    assert not exporter.force_flush()
    assert (receiver.requests, receiver.names) == (1, [])
    clock.now += 5.1
    assert exporter.export(_named("c")) is SpanExportResult.SUCCESS
    assert receiver.names == ["a", "b", "c"]
    assert exporter.force_flush()
    assert exporter.lost == 0


def test_a_retry_after_beyond_the_exporters_time_keeps_the_batch(receiver: Receiver, clock: Clock) -> None:
    """The SDK gives up at once; here nothing is sent before the time is over."""
    receiver.answers = [(503, {"Retry-After": "120"})]
    exporter = OtlpBySizeExporter(protocol="http/protobuf", endpoint=receiver.endpoint)
    assert exporter.export(_named("a")) is SpanExportResult.FAILURE
    clock.now += 119
    assert exporter.export(_named("b")) is SpanExportResult.FAILURE
    assert receiver.requests == 1
    clock.now += 2
    assert exporter.force_flush()
    assert receiver.names == ["a", "b"]


def test_another_failure_is_final_as_before(receiver: Receiver) -> None:
    """What the receiver rejects is not sent again."""
    receiver.answers = [(400, {})]
    exporter = OtlpBySizeExporter(protocol="http/protobuf", endpoint=receiver.endpoint)
    assert exporter.export(_named("a")) is SpanExportResult.FAILURE
    assert exporter.export(_named("b")) is SpanExportResult.SUCCESS
    assert receiver.names == ["b"]


def test_an_end_sends_once_more_and_logs_what_is_lost(
    receiver: Receiver, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Two batches that are kept: one arrives, the other does not."""
    del clock
    receiver.answers = [(307, {"Location": "/elsewhere"}), (200, {}), (307, {"Location": "/elsewhere"})]
    exporter = OtlpBySizeExporter(protocol="http/protobuf", endpoint=receiver.endpoint)
    exporter.export(_named("a"))
    exporter.export(_named("b", "c"))
    exporter.shutdown()
    assert (receiver.names, exporter.lost) == (["a"], 2)
    assert "Dropping 2 spans at shutdown: the receiver did not accept them" in caplog.text


def test_what_is_kept_is_bounded(
    receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The oldest go first, counted and with one line."""
    monkeypatch.setattr(resend_buffer, "MAX_RETAINED_BYTES", 2 * _size(spans([1000])[0]) + 100)
    receiver.answers = [(301, {"Location": "/elsewhere"})]
    exporter = OtlpBySizeExporter(protocol="http/protobuf", endpoint=receiver.endpoint)
    for name, span in zip("abcd", spans([1000] * 4), strict=True):
        span._name = name
        exporter.export([span])
    assert exporter.lost == 2
    assert caplog.text.count("dropping the oldest") == 1
    clock.now += 5.1
    assert exporter.force_flush()
    assert receiver.names == ["c", "d"]


def test_the_doctor_finds_a_redirect(receiver: Receiver) -> None:
    """Each URL that exporters would post to is asked with a request without spans; 401 and 200 are no redirects."""
    base = receiver.endpoint.removesuffix("/v1/traces")
    environment = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{base}/",
    }
    receiver.answers = [(308, {"Location": "https://elsewhere/v1/traces"}), (401, {})]
    problem, rejection = [found.text for found in exporters(environment) if found.level is Level.PROBLEM]
    assert rejection.startswith(f"{base}/v1/metrics requires credentials (status 401)")
    assert f"{base}/v1/traces redirects to https://elsewhere/v1/traces (status 308)" in problem
    assert problem.endswith(
        "set the endpoint to the address that it redirects to. Until then all data is silently dropped"
    )
    assert (receiver.requests, receiver.names) == (2, [])
    assert [found.text for found in exporters(environment) if found.level is Level.PROBLEM] == []


def test_a_replay_names_the_redirect_and_keeps_to_retry_after(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pauses double, half of each random; a longer wait than five minutes leaves the file for another day."""
    pauses: list[float] = []
    # In this module alone: other threads of the process sleep too.
    monkeypatch.setattr(replay_to_otlp, "time", SimpleNamespace(sleep=pauses.append))
    receiver.answers = [(503, {})] * 4 + [(429, {"Retry-After": "200"})]
    assert replay_to_otlp._post(receiver.endpoint, [{}]) == 1
    for pause, most in zip(pauses, (0.5, 1.0, 2.0, 4.0), strict=False):
        assert most / 2 <= pause <= most
    assert pauses[4:] == [200.0]
    receiver.answers = [(301, {"Location": "https://elsewhere/v1/traces"})]
    with pytest.raises(replay_to_otlp.EndpointError, match="redirects to https://elsewhere/v1/traces"):
        replay_to_otlp._post(receiver.endpoint, [{}])
    receiver.answers = [(503, {"Retry-After": "3600"})]
    with pytest.raises(replay_to_otlp.EndpointError, match="retry after 3600 s"):
        replay_to_otlp._post(receiver.endpoint, [{}])
    assert len(pauses) == 5
