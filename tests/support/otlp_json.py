"""OTLP requests in JSON, as the Collector's file exporter writes them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from google.protobuf import json_format

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def as_json(request: ExportTraceServiceRequest) -> bytes:
    """Encode a request as OTLP has it: ids in hex, enumerations as numbers."""
    found = json_format.MessageToDict(request, use_integers_for_enums=True)
    for group in found.get("resourceSpans", ()):
        for scope in group.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                for part in (span, *span.get("links", ())):
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if name in part:
                            part[name] = base64.b64decode(part[name]).hex()
    return json.dumps(found).encode()
