#!/usr/bin/env bash
# OpenTelemetry SDK: a forked process reports the counts of its parent as its own, too.
#
# Seen on 2026-12-01 with opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: a process that was forked has a `service.instance.id` of its own, and its counters begin with 0: the sum over
#           all instances is what was counted.
# Seen:     the child gets a new `service.instance.id`, and its counters go on from those of the parent, with the
#           parent's start time. After 5 requests, a fork and 3 requests in the child, the instances have 5 and 8, and a
#           backend adds up 13 requests of 8. With delta temporality the same happens to what the parent has counted
#           since its last export.
#
# Output seen:
#   cumulative: parent 5, child 8, as two instances: 13 of 8 requests
#   delta:      parent 5, child 8, as two instances: 13 of 8 requests
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import os

from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader


def collected(reader):
    """Return the value of the counter and the instance that reports it."""
    resource = reader.get_metrics_data().resource_metrics[0]
    (point,) = resource.scope_metrics[0].metrics[0].data.data_points
    return point.value, resource.resource.attributes["service.instance.id"]


def counted(temporality):
    """Count 5 requests, fork, and count 3 in the child; return what both report."""
    reader = InMemoryMetricReader(preferred_temporality={Counter: temporality})
    requests = MeterProvider([reader]).get_meter("finding").create_counter("requests")
    requests.add(5)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        requests.add(3)
        os.write(write, json.dumps(collected(reader)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return collected(reader), tuple(json.loads(os.read(read, 1000)))


for name, temporality in (
    ("cumulative:", AggregationTemporality.CUMULATIVE),
    ("delta:     ", AggregationTemporality.DELTA),
):
    (parent, instance), (child, other) = counted(temporality)
    instances = len({instance, other})
    print(f"{name} parent {parent}, child {child}, as {'two instances' if instances == 2 else 'one'}: {parent + child} of 8 requests")
    assert (parent, child, instances) == (5, 8, 2)
PYTHON
