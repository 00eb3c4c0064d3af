#!/usr/bin/env bash
# OpenTelemetry SDK for Python: after a force_flush the next scrape by Prometheus has each series several times.
#
# Seen on 2026-12-01 with opentelemetry-exporter-prometheus 0.66b2, opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: a page of Prometheus' text format has each series once, whatever the program has flushed before.
# Seen:     the reader keeps what each force_flush of the meter provider has collected, and the next scrape has all of
#           it: a counter that was flushed as 1 and as 2 has both values in one page. A program that flushes without
#           being scraped, as at the end of each request, makes the next page longer by all series each time.
#
# Output seen:
#   a scrape: ['requests_total 1.0']
#   a scrape after two flushes: ['requests_total 1.0', 'requests_total 1.0', 'requests_total 2.0',
#       'requests_total 1.0', 'requests_total 2.0', 'requests_total 2.0']
#   the next scrape: ['requests_total 2.0']
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    opentelemetry-exporter-prometheus==0.66b2 opentelemetry-sdk==1.45.2 prometheus-client==0.26.0
cd "$folder"
cat >finding.py <<'PYTHON'
import re

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest

provider = MeterProvider(metric_readers=[PrometheusMetricReader()])
requests = provider.get_meter("program").create_counter("requests")


def scrape():
    page = generate_latest(REGISTRY).decode()
    return [re.sub("{.*}", "", line) for line in page.splitlines() if line.startswith("requests")]


requests.add(1)
first = scrape()
print(f"a scrape: {first}")
provider.force_flush()
requests.add(1)
provider.force_flush()
second = scrape()
print(f"a scrape after two flushes: {second}")
third = scrape()
print(f"the next scrape: {third}")
assert first == ["requests_total 1.0"] and third == ["requests_total 2.0"]
assert sorted(set(second)) == ["requests_total 1.0", "requests_total 2.0"] and len(second) > 2
PYTHON
"$folder/venv/bin/python" finding.py
