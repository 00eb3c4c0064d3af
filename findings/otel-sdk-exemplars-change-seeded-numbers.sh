#!/usr/bin/env bash
# OpenTelemetry SDK: exemplars of exponential histograms take numbers of a program that has called random.seed.
#
# Seen on 2026-12-01 with opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: a program that seeds Python's `random` draws the same numbers with and without metrics.
# Seen:     an exponential histogram keeps 20 measurements of sampled spans as exemplars, and chooses them by
#           `random.randrange` from the 21st measurement between two exports on. With the histograms of
#           OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=base2_exponential_bucket_histogram the program draws
#           other numbers than with those of the default, and where another thread measures, other ones in each run.
#           With OTEL_METRICS_EXEMPLAR_FILTER=always_on counters and gauges do so from the second measurement on.
#
# Output seen:
#   without metrics:                 random.random() is 0.8883
#   20 measurements, exponential:    0.8883
#   21 measurements, exponential:    another number
#   1000 measurements, by default:   0.8883
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import random

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.trace import TracerProvider

EXPONENTIAL = View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation())
span = TracerProvider().get_tracer("finding").start_as_current_span("call")


def drawn(measurements, views):
    """Return the number that a seeded program draws after so many measurements in a sampled span."""
    provider = MeterProvider([InMemoryMetricReader()], views=views)
    duration = provider.get_meter("finding").create_histogram("duration")
    random.seed(46)
    for number in range(measurements):
        duration.record(number + 1.0)
    return random.random()


with span:
    alone = drawn(0, [])
    few, more = drawn(20, [EXPONENTIAL]), drawn(21, [EXPONENTIAL])
    default = drawn(1000, [])
print(f"without metrics:                 random.random() is {alone:.4f}")
print(f"20 measurements, exponential:    {few:.4f}")
print(f"21 measurements, exponential:    {'another number' if more != alone else f'{more:.4f}'}")
print(f"1000 measurements, by default:   {default:.4f}")
assert alone == few == default != more
PYTHON
