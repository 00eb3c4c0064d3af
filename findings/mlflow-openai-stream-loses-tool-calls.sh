#!/usr/bin/env bash
# MLflow: a streamed answer that calls a tool is an empty answer that has stopped, in the traces of mlflow.openai.autolog.
#
# Seen on 2026-12-01 with mlflow 3.17.2, openai 2.47.0, CPython 3.11.
# Expected: the span of a streamed answer has what the span of the same answer in one piece has: the call of the tool with
#           its arguments, and the reason for which the model ended, `tool_calls`.
# Seen:     MLflow puts the answer together from the texts of the pieces alone, and from the last piece its reason. The
#           call of the tool is in neither: the message is empty. With `include_usage`, without which a stream has no
#           tokens, the last piece has the tokens and no choice, for which MLflow writes the reason `stop`. A judge or a
#           person who reads the trace finds a model that was asked for the weather and answered nothing.
#
# Output seen:
#   in one piece: reason 'tool_calls', text None, calls [('weather', '{"city": "Paris"}')]
#   streamed: reason 'stop', text '', calls []
#   what the program got of the stream: reason 'tool_calls', calls [('weather', '{"city": "Paris"}')]
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 openai==2.47.0
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
from openai import OpenAI

ANSWER = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4.1"}
ARGUMENTS = '{"city": "Paris"}'
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def call(arguments):
    return {"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": arguments}}


def chunk(delta, reason=None):
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {**ANSWER, "object": "chat.completion.chunk", "choices": [choice], "usage": None}


STREAM = (
    chunk({"role": "assistant", "content": None, "tool_calls": [{"index": 0, **call("")}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": ARGUMENTS[:8]}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": ARGUMENTS[8:]}}]}),
    chunk({}, "tool_calls"),
    {**ANSWER, "object": "chat.completion.chunk", "choices": [], "usage": USAGE},
)
MESSAGE = {"role": "assistant", "content": None, "tool_calls": [call(ARGUMENTS)]}
WHOLE = {
    **ANSWER,
    "object": "chat.completion",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "tool_calls"}],
    "usage": USAGE,
}


class Model(BaseHTTPRequestHandler):
    """Calls the tool, in one piece or as a stream."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        streamed = request.get("stream", False)
        lines = [f"data: {json.dumps(event)}\n\n" for event in STREAM]
        answer = "".join([*lines, "data: [DONE]\n\n"]) if streamed else json.dumps(WHOLE)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


def recorded():
    mlflow.flush_trace_async_logging()
    (trace,) = mlflow.search_traces(return_type="list", max_results=1, order_by=["timestamp_ms DESC"])
    (choice,) = trace.data.spans[0].outputs["choices"]
    message = choice["message"]
    calls = [(made["function"]["name"], made["function"]["arguments"]) for made in message["tool_calls"] or ()]
    return choice["finish_reason"], message["content"], calls


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
mlflow.openai.autolog()
client = OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
request = {
    "model": "gpt-4.1",
    "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
    "tools": [{"type": "function", "function": {"name": "weather", "parameters": parameters}}],
}
client.chat.completions.create(**request)
whole = recorded()
pieces = list(client.chat.completions.create(**request, stream=True, stream_options={"include_usage": True}))
streamed = recorded()
choices = [piece.choices[0] for piece in pieces if piece.choices]
functions = [made.function for choice in choices for made in choice.delta.tool_calls or ()]
got = [(functions[0].name, "".join(function.arguments for function in functions))]
for title, (reason, text, calls) in (("in one piece", whole), ("streamed", streamed)):
    print(f"{title}: reason {reason!r}, text {text!r}, calls {calls}")
print(f"what the program got of the stream: reason {choices[-1].finish_reason!r}, calls {got}")
assert got == [("weather", ARGUMENTS)]
assert choices[-1].finish_reason == "tool_calls"
assert whole == ("tool_calls", None, got)
assert streamed == ("stop", "", [])
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
