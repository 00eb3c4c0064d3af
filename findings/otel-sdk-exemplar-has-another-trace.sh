#!/usr/bin/env bash
# OpenTelemetry SDK: an exemplar of a measurement outside any span has the trace of an earlier measurement.
#
# Seen on 2026-11-30 with opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: with OTEL_METRICS_EXEMPLAR_FILTER=always_on a measurement outside a span may be an exemplar; it has no trace
#           id then.
# Seen:     a bucket of a histogram keeps its last measurement, but its ids are replaced by those of a span only. The
#           value of a slow call that has no span stands beside the trace of another call in the same bucket: whoever
#           follows the exemplar to find out why a call took so long looks at one that did not.
#
# Output seen:
#   one measurement, outside a span: exemplar 4.5 without a trace
#   3.0 in a span, then 4.5 outside: exemplar 4.5 with the trace of 3.0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2
cd "$folder"
OTEL_METRICS_EXEMPLAR_FILTER=always_on "$folder/venv/bin/python" - <<'PYTHON'
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

reader = InMemoryMetricReader()
meter = MeterProvider(metric_readers=[reader]).get_meter("finding")
tracer = TracerProvider().get_tracer("finding")


def exemplar(name):
    for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
        if metric.name == name:
            (found,) = metric.data.data_points[0].exemplars
            return found.value, found.trace_id


meter.create_histogram("alone").record(4.5)
alone = exemplar("alone")
print(f"one measurement, outside a span: exemplar {alone[0]} {'with' if alone[1] else 'without'} a trace")

duration = meter.create_histogram("duration")
with tracer.start_as_current_span("fast call") as span:
    duration.record(3.0)
duration.record(4.5)
value, trace_id = exemplar("duration")
text = "with the trace of 3.0" if trace_id == span.get_span_context().trace_id else "without a trace"
print(f"3.0 in a span, then 4.5 outside: exemplar {value} {text}")
assert alone == (4.5, None) and (value, trace_id) == (4.5, span.get_span_context().trace_id)
PYTHON
