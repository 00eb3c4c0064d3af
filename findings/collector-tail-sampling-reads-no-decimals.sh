#!/usr/bin/env bash
# Collector: tail sampling by numeric_attribute reads every number with decimals as 0, and string_attribute no list.
#
# Seen on 2026-11-28 with OpenTelemetry Collector 0.159.0 (tailsamplingprocessor), Go 1.25.
# Expected: a policy of the type numeric_attribute with min_value 1 keeps the trace whose `cost` is 2.5.
# Seen:     the attribute is read as an integer whatever its type. A cost or a score of 2.5 (a double, as OpenTelemetry's
#           SDKs send floats) counts as 0: the trace is dropped, and a policy for values from -1 to 1 keeps it. A string counts
#           as 0 too. string_attribute never matches gen_ai.response.finish_reasons, which the GenAI conventions have as
#           a list of strings. Nothing is logged. An ottl_condition compares both right.
#
# Output seen:
#   cost >= 1 by numeric_attribute: kept ['cost 2']
#   -1 <= cost <= 1 by numeric_attribute: kept ['cost 2.5', 'finished by length']
#   finish reason 'length' by string_attribute: kept []
#   cost >= 1 by ottl_condition: kept ['cost 2', 'cost 2.5']
#
# Needs Go. Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GOPATH="$folder/go" GOFLAGS=-modcacherw CGO_ENABLED=0
cat >builder.yaml <<'YAML'
dist: {name: collector, version: 0.159.0, output_path: ./collector}
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v0.159.0
processors:
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor v0.159.0
exporters:
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter v0.159.0
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v1.65.0
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v1.65.0
YAML
{ go install go.opentelemetry.io/collector/cmd/builder@v0.159.0 && "$GOPATH/bin/builder" --config builder.yaml; } >log 2>&1 ||
    { tail -n 5 log >&2; exit 1; }
cat >finding.py <<'PYTHON'
import json
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

SPANS = {
    "cost 2": {"cost": {"intValue": "2"}},
    "cost 2.5": {"cost": {"doubleValue": 2.5}},
    "finished by length": {
        "cost": {"doubleValue": 0.5},
        "gen_ai.response.finish_reasons": {"arrayValue": {"values": [{"stringValue": "length"}]}},
    },
}
POLICIES = {
    "cost >= 1 by numeric_attribute": {"type": "numeric_attribute", "numeric_attribute": {"key": "cost", "min_value": 1}},
    "-1 <= cost <= 1 by numeric_attribute": {
        "type": "numeric_attribute", "numeric_attribute": {"key": "cost", "min_value": -1, "max_value": 1}
    },
    "finish reason 'length' by string_attribute": {
        "type": "string_attribute",
        "string_attribute": {"key": "gen_ai.response.finish_reasons", "values": ["length"]},
    },
    "cost >= 1 by ottl_condition": {
        "type": "ottl_condition", "ottl_condition": {"error_mode": "ignore", "span": ['attributes["cost"] >= 1.0']}
    },
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def request(spans, first):
    now = str(time.time_ns())
    sent = [
        {
            "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": name, "startTimeUnixNano": now,
            "endTimeUnixNano": now, "attributes": [{"key": key, "value": value} for key, value in values.items()],
        }
        for number, (name, values) in enumerate(spans.items(), first)
    ]  # fmt: skip
    return json.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": sent}]}]}).encode()


def names(output):
    lines = [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []
    scopes = [scope for line in lines for resource in line["resourceSpans"] for scope in resource["scopeSpans"]]
    return {span["name"] for scope in scopes for span in scope["spans"]}


def kept(policy):
    """The names of the traces that the policy keeps; another policy keeps the last one, which ends the wait."""
    port, output = free_port(), pathlib.Path("output.json")
    output.unlink(missing_ok=True)
    last = {"name": "last", "type": "string_attribute", "string_attribute": {"key": "last", "values": ["yes"]}}
    configuration = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "processors": {"tail_sampling": {"decision_wait": "1s", "policies": [{"name": "only", **policy}, last]}},
        "exporters": {"file": {"path": str(output)}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": ["tail_sampling"], "exporters": ["file"]}
            },
        },
    }
    pathlib.Path("collector.yaml").write_text(json.dumps(configuration))
    collector = subprocess.Popen(["collector/collector", "--config", "collector.yaml"])
    try:
        for first, spans in ((1, SPANS), (9, {"last": {"last": {"stringValue": "yes"}}})):
            send(f"http://127.0.0.1:{port}/v1/traces", request(spans, first))
            time.sleep(3)
        for _ in range(300):
            if "last" in names(output):
                break
            time.sleep(1)
    finally:
        collector.send_signal(signal.SIGINT)
        collector.wait()
    found = names(output)
    assert "last" in found
    return sorted(found - {"last"})


def send(address, body):
    """Send, and wait for a collector that is starting."""
    for _ in range(600):
        try:
            headers = {"Content-Type": "application/json"}
            urllib.request.urlopen(urllib.request.Request(address, data=body, headers=headers)).close()
            return
        except OSError:
            time.sleep(0.5)


found = []
for text, policy in POLICIES.items():
    found.append(kept(policy))
    print(f"{text}: kept {found[-1]}")
assert found == [["cost 2"], ["cost 2.5", "finished by length"], [], ["cost 2", "cost 2.5"]]
PYTHON
"${PYTHON:-python3}" finding.py 2>log || { cat log >&2; exit 1; }
