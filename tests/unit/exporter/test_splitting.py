"""A batch is split by bytes; a part that is refused for its size is halved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from otel_dspy.environment.variable_names import EXPORT_MAX_BYTES
from otel_dspy.exporter import OtlpBySizeExporter, SplittingSpanExporter
from otel_dspy.exporter.splitting import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence


class Receiver(SpanExporter):
    """Takes what is not larger than its limit; `broken` takes nothing."""

    def __init__(self, limit: int, *, broken: bool = False) -> None:
        self.limit = limit
        self.broken = broken
        self.taken: list[int] = []
        """Bytes of each request."""
        self.names: list[str] = []
        self.spans: list[ReadableSpan] = []
        self.tries = 0
        self._too_large = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take them or not."""
        self.tries += 1
        size = encode_spans(spans).ByteSize()
        self._too_large = size > self.limit
        if self._too_large or self.broken:
            return SpanExportResult.FAILURE
        self.taken.append(size)
        self.names += [span.name for span in spans]
        self.spans += spans
        return SpanExportResult.SUCCESS

    def refused_for_size(self) -> bool:
        """Whether the last was too large."""
        return self._too_large


def spans(sizes: Sequence[int]) -> list[ReadableSpan]:
    """Spans with a text of so many bytes each, named by their number."""
    tracer = TracerProvider().get_tracer("test")
    made: list[ReadableSpan] = []
    for number, size in enumerate(sizes):
        span = tracer.start_span(str(number), attributes={"text": "x" * size})
        span.end()
        assert isinstance(span, ReadableSpan)
        made.append(span)
    return made


def test_no_request_exceeds_the_limit_and_nothing_is_lost() -> None:
    """512 spans of 40 KB: each once, in order, in as few requests as their bytes need."""
    receiver = Receiver(4 * 2**20)
    exporter = SplittingSpanExporter(receiver, receiver.refused_for_size)
    assert exporter.export(spans([40_000] * 512)) is SpanExportResult.SUCCESS
    assert receiver.names == [str(number) for number in range(512)]
    assert max(receiver.taken) <= MAX_BYTES
    assert len(receiver.taken) == 7


def test_a_receiver_that_takes_less_gets_halves() -> None:
    """What it refuses for its size comes in halves, until it takes it; a span that is too large alone is lost, alone."""
    receiver = Receiver(1000)
    exporter = SplittingSpanExporter(receiver, receiver.refused_for_size)
    assert exporter.export(spans([100] * 10 + [2000] + [100] * 10)) is SpanExportResult.FAILURE
    assert receiver.names == [str(number) for number in range(21) if number != 10]
    assert exporter.lost == 1


def test_another_failure_is_not_halved() -> None:
    """A receiver that is down is asked once for each part: halves would only multiply the wait."""
    receiver = Receiver(2**30, broken=True)
    exporter = SplittingSpanExporter(receiver, receiver.refused_for_size, max_bytes=1000)
    assert exporter.export(spans([600] * 4)) is SpanExportResult.FAILURE
    assert receiver.tries == 4


def test_a_text_that_is_no_unicode_costs_no_other_span(caplog: pytest.LogCaptureFixture) -> None:
    """A lone surrogate in a name, a status or an event goes out as a question mark, and that is logged once."""
    tracer = TracerProvider().get_tracer("test")
    odd: list[ReadableSpan] = []
    for name in ("status", "name \ud83d"):
        span = tracer.start_span(name, attributes={"kept": 1})
        span.add_event("event \ud83d", {"of": "it"}, timestamp=7)
        span.set_status(StatusCode.ERROR, "ValueError: \ud83d")
        span.end()
        assert isinstance(span, ReadableSpan)
        odd.append(span)
    receiver = Receiver(2**30)
    exporter = SplittingSpanExporter(receiver, receiver.refused_for_size)
    before, after = spans([1, 1])
    assert exporter.export([before, *odd, after]) is SpanExportResult.SUCCESS
    assert receiver.names == ["0", "status", "name ?", "1"]
    sent = receiver.spans[1]
    (event,) = sent.events
    assert (sent.status.status_code, sent.status.description) == (StatusCode.ERROR, "ValueError: ?")
    assert (event.name, dict(event.attributes or {}), event.timestamp) == ("event ?", {"of": "it"}, 7)
    assert sent.context == odd[0].context
    assert (sent.start_time, sent.end_time, dict(sent.attributes or {})) == (
        odd[0].start_time,
        odd[0].end_time,
        {"kept": 1},
    )
    assert exporter.lost == 0
    assert [record.getMessage() for record in caplog.records] == [
        "Replacing invalid Unicode in a span with question marks: 'status'"
    ]


def test_a_span_that_cannot_be_encoded_is_lost_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The others go out; what is lost is counted, and logged once."""
    before, after = spans([1, 1])
    broken = [
        ReadableSpan("no times", context=before.context, start_time=start, resource=before.resource)
        for start in (-1, 2**70)
    ]
    receiver = Receiver(2**30)
    exporter = SplittingSpanExporter(receiver, receiver.refused_for_size)
    assert exporter.export([before, *broken, after]) is SpanExportResult.FAILURE
    assert receiver.names == ["0", "1"]
    assert exporter.lost == 2
    (record,) = caplog.records
    assert record.getMessage().startswith("Dropping a span that cannot be encoded: 'no times' (ValueError")


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protocol and size; an unknown protocol is refused, a size that is none is not used."""
    monkeypatch.setenv(EXPORT_MAX_BYTES, "1234")
    for protocol, module in (("grpc", "grpc"), ("http/protobuf", "http")):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        exporter = OtlpBySizeExporter()
        assert exporter._max_bytes == 1234
        assert f".proto.{module}." in type(exporter._exporter).__mro__[-3 if module == "http" else 1].__module__
        exporter.shutdown()
    monkeypatch.setenv(EXPORT_MAX_BYTES, "much")
    assert OtlpBySizeExporter(protocol="grpc")._max_bytes == MAX_BYTES
    with pytest.raises(ValueError, match="use grpc or http/protobuf"):
        OtlpBySizeExporter(protocol="carrier pigeon")
