#!/usr/bin/env bash
# OpenTelemetry: histograms of the exporter for Prometheus' remote write are none for Prometheus: no quantile can be asked for.
#
# Seen on 2026-12-01 with opentelemetry-exporter-prometheus-remote-write 0.66b1, opentelemetry-exporter-prometheus 0.66b2,
#           opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: a histogram in Prometheus is a series `NAME_bucket` for each bound `le`, with the number of measurements up to
#           that bound, and all of them at `+Inf`. The exporter that Prometheus scrapes writes it so.
# Seen:     the exporter for remote write names the series `NAME`, without `_bucket`, and writes to each the number of
#           measurements between two bounds: of four durations 0 are at most `+Inf`. `histogram_quantile` finds nothing
#           by the usual name, and a wrong number by the one that there is. The exporter logs nothing.
#
# Output seen:
#   scraped: gen_ai_client_operation_duration_seconds_bucket 1.0: 2, 2.0: 3, 4.0: 4, +Inf: 4
#   remote write: gen_ai_client_operation_duration_s 1.0: 2, 2.0: 1, 4.0: 1, +Inf: 0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  opentelemetry-exporter-prometheus-remote-write==0.66b1 opentelemetry-exporter-prometheus==0.66b2 \
  opentelemetry-sdk==1.45.2
cd "$folder"
cat >finding.py <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import snappy
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.exporter.prometheus_remote_write import PrometheusRemoteWriteMetricsExporter
from opentelemetry.exporter.prometheus_remote_write.gen.remote_pb2 import WriteRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from prometheus_client import REGISTRY

written = []


class Prometheus(BaseHTTPRequestHandler):
    """Takes what is written."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        written.extend(WriteRequest.FromString(snappy.uncompress(body)).timeseries)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Prometheus)
threading.Thread(target=server.serve_forever, daemon=True).start()
exporter = PrometheusRemoteWriteMetricsExporter(f"http://127.0.0.1:{server.server_port}/api/v1/write")
pushed = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
provider = MeterProvider([PrometheusMetricReader(), pushed])
durations = provider.get_meter("finding").create_histogram(
    "gen_ai.client.operation.duration", unit="s", explicit_bucket_boundaries_advisory=[1.0, 2.0, 4.0]
)
for seconds in (0.5, 0.5, 1.5, 3.0):
    durations.record(seconds)
assert pushed.force_flush()


def series(samples):
    """Names of the series of buckets, and their values by bound."""
    samples = [(name, labels["le"], int(value)) for name, labels, value in samples if "le" in labels]
    (name,) = {name for name, _, _ in samples}
    return name, {bound: value for _, bound, value in samples}


scraped = series(
    (sample.name, sample.labels, sample.value)
    for metric in REGISTRY.collect()
    for sample in metric.samples
    if sample.name.startswith("gen_ai")
)
labels = [{label.name: label.value for label in each.labels} for each in written]
remote = series((each.pop("__name__"), each, points.samples[0].value) for each, points in zip(labels, written))
for title, (name, buckets) in (("scraped", scraped), ("remote write", remote)):
    print(f"{title}: {name} " + ", ".join(f"{bound}: {count}" for bound, count in buckets.items()))
assert scraped == (
    "gen_ai_client_operation_duration_seconds_bucket", {"1.0": 2, "2.0": 3, "4.0": 4, "+Inf": 4}
)
assert remote == ("gen_ai_client_operation_duration_s", {"1.0": 2, "2.0": 1, "4.0": 1, "+Inf": 0})
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
