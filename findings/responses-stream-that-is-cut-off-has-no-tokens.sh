#!/usr/bin/env bash
# MLflow and OpenInference: a streamed answer of the Responses API that reaches `max_output_tokens` has no tokens and no cost.
#
# Seen on 2026-12-01 with mlflow 3.17.2, openinference-instrumentation-openai 0.1.66, openai 2.47.0, CPython 3.11.
# Expected: the API ends a stream with `response.completed`, `response.incomplete` or `response.failed`, each with the whole
#           response and its tokens, which are billed: a stream has the tokens of the same answer in one piece.
# Seen:     both read the tokens, the model and the status of `response.completed` alone. A stream that ends because
#           `max_output_tokens` are used up, as a reasoning model does in the middle of its thoughts, has none of them:
#           the most expensive answers are missing in the sums. OpenInference has no output of it either.
#
# Output seen:
#   MLflow, in one piece: 1000 and 4096 tokens, cost 0.04221
#   MLflow, streamed: None and None tokens, cost None
#   OpenInference, in one piece: 1000 and 4096 tokens, output True
#   OpenInference, streamed: None and None tokens, output False
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 openai==2.47.0 \
  openinference-instrumentation-openai==0.1.66
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_MODEL_CATALOG_URI=
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
from openai import OpenAI
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

MESSAGE = {
    "id": "msg-1",
    "type": "message",
    "role": "assistant",
    "status": "incomplete",
    "content": [{"type": "output_text", "text": "Once", "annotations": [], "logprobs": []}],
}
RESPONSE = {
    "id": "resp-1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5",
    "status": "incomplete",
    "incomplete_details": {"reason": "max_output_tokens"},
    "output": [MESSAGE],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 1000,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 4096,
        "output_tokens_details": {"reasoning_tokens": 4095},
        "total_tokens": 5096,
    },
}
STARTED = {**RESPONSE, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
PART = {"item_id": "msg-1", "output_index": 0, "content_index": 0}
STREAM = (
    {"type": "response.created", "response": STARTED},
    {"type": "response.output_item.added", "output_index": 0, "item": {**MESSAGE, "content": []}},
    {"type": "response.output_text.delta", **PART, "delta": "Once", "logprobs": []},
    {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE},
    {"type": "response.incomplete", "response": RESPONSE},
)


class Model(BaseHTTPRequestHandler):
    """Uses up the output tokens, in one piece or as a stream."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        streamed = request.get("stream", False)
        events = [{**event, "sequence_number": number} for number, event in enumerate(STREAM)]
        lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
        answer = "".join(lines) if streamed else json.dumps(RESPONSE)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")


def call(streamed):
    """The usage that the program gets."""
    request = {"model": "gpt-5", "input": "Tell a story.", "max_output_tokens": 4096}
    if not streamed:
        return client.responses.create(**request).usage
    return list(client.responses.create(**request, stream=True))[-1].response.usage


def by_mlflow(streamed):
    mlflow.openai.autolog()
    usage = call(streamed)
    mlflow.openai.autolog(disable=True)
    mlflow.flush_trace_async_logging()
    (trace,) = mlflow.search_traces(return_type="list", max_results=1, order_by=["timestamp_ms DESC"])
    tokens = trace.info.token_usage or {}
    cost = round(trace.info.cost["total_cost"], 5) if trace.info.cost else None
    return usage, (tokens.get("input_tokens"), tokens.get("output_tokens")), cost


def by_openinference(streamed):
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    usage = call(streamed)
    instrumentor.uninstrument()
    (span,) = exporter.get_finished_spans()
    tokens = tuple(span.attributes.get(f"llm.token_count.{kind}") for kind in ("prompt", "completion"))
    return usage, tokens, "output.value" in span.attributes


mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
seen = []
for library, record, last in (("MLflow", by_mlflow, "cost"), ("OpenInference", by_openinference, "output")):
    for title, streamed in (("in one piece", False), ("streamed", True)):
        usage, tokens, rest = record(streamed)
        assert (usage.input_tokens, usage.output_tokens) == (1000, 4096)
        seen.append((tokens, rest))
        print(f"{library}, {title}: {tokens[0]} and {tokens[1]} tokens, {last} {rest}")
assert seen == [((1000, 4096), 0.04221), ((None, None), None), ((1000, 4096), True), ((None, None), False)]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
