#!/usr/bin/env bash
# Langfuse: a call that was made without parameters is recorded with a temperature of 1, and one with `stop` without it.
#
# Seen on 2026-12-01 with langfuse 5.2.0, openai 3.57.0, CPython 3.11.
# Expected: the model parameters of a generation of `langfuse.openai` are those of the request: a parameter that is not in the
#           request is not in them.
# Seen:     temperature 1, top_p 1, max_tokens "Infinity" and two penalties of 0 are written for each call that does not name
#           them: also for a reasoning model, which rejects a temperature, and for a server whose default is 0.7. A generation
#           that was asked for with temperature=1 cannot be told from one without. `stop`, `response_format`, `logit_bias`
#           and `extra_body` of a request are not written.
#
# Output seen:
#   request of a plain call: {}
#   recorded: {'temperature': 1, 'max_tokens': 'Infinity', 'top_p': 1, 'frequency_penalty': 0, 'presence_penalty': 0}
#   request of the other call: {'extra_body_field': 1, 'response_format': {'type': 'json_object'}, 'stop': ['END'], 'temperature': 0.7}
#   recorded: {'temperature': 0.7, 'max_tokens': 'Infinity', 'top_p': 1, 'frequency_penalty': 0, 'presence_penalty': 0}
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check langfuse==5.2.0 openai==3.57.0
cd "$folder"
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

requests = []


class Model(BaseHTTPRequestHandler):
    """Answers 42."""

    def do_POST(self):
        requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "42"}}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "served", "choices": [choice]}
        encoded = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"

from langfuse import Langfuse
from langfuse.openai import OpenAI

exporter = InMemorySpanExporter()
langfuse = Langfuse(public_key="none", secret_key="none", base_url=url, span_exporter=exporter)
client = OpenAI(base_url=url, api_key="none")


def call(text, **parameters):
    """Return the parameters of the request, and those that are recorded."""
    requests.clear()
    client.chat.completions.create(model="served", messages=[{"role": "user", "content": "6*7?"}], **parameters)
    langfuse.flush()
    (request,) = requests
    (span,) = exporter.get_finished_spans()
    exporter.clear()
    sent = {name: request[name] for name in sorted(request) if name not in {"model", "messages"}}
    recorded = json.loads(span.attributes["langfuse.observation.model.parameters"])
    print(f"request of {text}: {sent}\nrecorded: {recorded}")
    return sent, recorded


invented = {"max_tokens": "Infinity", "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0}
assert call("a plain call") == ({}, {"temperature": 1} | invented)
parameters = {"temperature": 0.7, "stop": ["END"], "response_format": {"type": "json_object"}}
sent, recorded = call("the other call", **parameters, extra_body={"extra_body_field": 1})
assert (sent, recorded) == (parameters | {"extra_body_field": 1}, {"temperature": 0.7} | invented)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
