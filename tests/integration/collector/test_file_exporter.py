"""What the Collector's file exporter writes, parsed again as OTLP JSON: the same spans as were sent."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opentelemetry.sdk.trace.export import SpanExportResult

from otel_dspy import cli
from otel_dspy.rerun.file_calls import calls_of_files
from tests.integration.backends.reference_telemetry import otlp, send_telemetry
from tests.support.collectors import needs_collector, running_collector
from tests.support.recorded_optimization import recorded_optimization
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

pytestmark = needs_collector


@pytest.mark.parametrize("shape", ["linked", "nested"])
def test_the_file_holds_the_spans_that_were_sent(shape: str, tmp_path: Path) -> None:
    """Every span with its ids, parent, links, status, times and attributes, and the scope and resource around it."""
    written = tmp_path / "traces.json"
    config = Path(__file__).with_name("file_exporter.yaml")
    with running_collector(config, tmp_path, {"WRITTEN": str(written)}) as collector:
        recorded = send_telemetry(shape, [otlp(f"http://{collector.http}")], trace_shape=shape, capture_content=True)
        sent = spans_by_id(encode_spans(recorded.spans).resource_spans)
        read = awaited(lambda: found if len(found := in_file(written)) == len(sent) else None, "all spans in the file")
    assert read == sent
    linked = [one for one in sent.values() if "links {" in one]
    assert bool(linked) == (shape == "linked")


@pytest.mark.slow  # MLflow creates a database, after an optimization
def test_compressed_files_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `compression: zstd` the report and the recorded calls are those of a file without compression.

    So they are of the files after gzip, as `logrotate` compresses them.
    """
    config = Path(__file__).with_name("file_exporter.yaml")
    plain, packed = tmp_path / "plain.json", tmp_path / "packed.json"
    batches = recorded_optimization()
    for written, used in ((plain, []), (packed, ["yaml:exporters::file::compression: zstd"])):
        with running_collector(config, tmp_path / written.stem, {"WRITTEN": str(written)}, used) as collector:
            exporter = OTLPSpanExporter(f"http://{collector.http}/v1/traces")
            for batch in batches:
                assert exporter.export(batch) is SpanExportResult.SUCCESS
            exporter.shutdown()
            collector.stop()
    assert packed.stat().st_size < plain.stat().st_size
    zipped = tmp_path / "zipped.json.gz"
    zipped.write_bytes(gzip.compress(packed.read_bytes()))
    expected = _report(plain, capsys)
    assert expected["best_score"] == 50.0
    assert [_report(file, capsys) for file in (packed, zipped)] == [expected, expected]
    calls = [[replace(one, place="") for one in calls_of_files(file) if one] for file in (plain, packed, zipped)]
    assert calls[0]
    assert calls == [calls[0]] * 3


def _report(file: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `otel-dspy report FILE --json` prints."""
    capsys.readouterr()
    assert cli.main(["report", str(file), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def in_file(path: Path) -> dict[str, str]:
    """The spans of a file; a line that is not whole yet is left out."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    requests = [parsed(json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return {one: span for request in requests for one, span in spans_by_id(request.resource_spans).items()}


def parsed(request: dict[str, Any]) -> TracesData:
    """OTLP JSON as protobuf: ids are hexadecimal there, where protobuf's own JSON has base64."""
    for span in (s for r in request["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]):
        for holder in (span, *span.get("links", ())):
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in holder:
                    holder[name] = b64encode(bytes.fromhex(holder[name])).decode()
    return json_format.ParseDict(request, TracesData())


def spans_by_id(requests: Iterable[ResourceSpans]) -> dict[str, str]:
    """Each span with what stands around it, by its id, as text that can be compared."""
    return dict(_spans(requests))


def _spans(requests: Iterable[ResourceSpans]) -> Iterator[tuple[str, str]]:
    for resource in requests:
        for scope in resource.scope_spans:
            for span in scope.spans:
                around = (resource.resource, resource.schema_url, scope.scope, scope.schema_url)
                yield span.span_id.hex(), "\n".join(map(str, (*around, span)))
