#!/usr/bin/env bash
# OpenTelemetry: the tokens of Cohere's and Mistral's models in Bedrock are a sixth of some of the characters: 3 where
#           4012 were used.
#
# Seen on 2026-12-01 with opentelemetry-instrumentation-botocore 0.66b2, opentelemetry-sdk 1.45.2, boto3 1.44.8,
#           CPython 3.11.
# Expected: `gen_ai.usage.input_tokens` and `gen_ai.usage.output_tokens` of `invoke_model` are what Bedrock counts and
#           returns in the headers `x-amzn-bedrock-input-token-count` and `x-amzn-bedrock-output-token-count`; or the
#           span has none.
# Seen:     for Command R the input is `message` alone, divided by six characters, without the documents, the chat
#           history and the preamble; for Mistral it is the prompt. Chinese, where a character is about a token, has a
#           sixth of its tokens. The attributes are those of real counts: nothing says that these are guessed.
#
# Output seen:
#   Command R, a question on 4 documents: 4012 and 9 tokens, span 3 and 6
#   Mistral, a text in Chinese: 325 and 160 tokens, span 51 and 27
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  opentelemetry-instrumentation-botocore==0.66b2 opentelemetry-sdk==1.45.2 boto3==1.44.8
cd "$folder"
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

reply, counted = {}, (0, 0)


class Bedrock(BaseHTTPRequestHandler):
    """Answers with `reply`, and the tokens of `counted` in the headers."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Amzn-Bedrock-Input-Token-Count", str(counted[0]))
        self.send_header("X-Amzn-Bedrock-Output-Token-Count", str(counted[1]))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Bedrock)
threading.Thread(target=server.serve_forever, daemon=True).start()
spans, tracers = InMemorySpanExporter(), TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(spans))
BotocoreInstrumentor().instrument(tracer_provider=tracers)
session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")
runtime = session.client("bedrock-runtime", endpoint_url=f"http://127.0.0.1:{server.server_port}")


def invoke(name, model, request):
    """Tokens in the span of one call."""
    spans.clear()
    headers = runtime.invoke_model(modelId=model, body=json.dumps(request))["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-bedrock-input-token-count"] == str(counted[0])
    (span,) = spans.get_finished_spans()
    recorded = tuple(span.attributes[f"gen_ai.usage.{side}_tokens"] for side in ("input", "output"))
    print(f"{name}: {counted[0]} and {counted[1]} tokens, span {recorded[0]} and {recorded[1]}")
    return recorded


reply, counted = {"text": "Paris is the capital of France.", "finish_reason": "COMPLETE"}, (4012, 9)
documents = [{"title": f"Page {number}", "snippet": "word " * 1000} for number in range(4)]
question = {"message": "Capital of France?", "documents": documents}
command = invoke("Command R, a question on 4 documents", "cohere.command-r-v1:0", question)
assert command == (3, 6)

reply, counted = {"outputs": [{"text": "\u5df4\u9ece" * 80, "stop_reason": "stop"}]}, (325, 160)
chinese = {"prompt": "<s>[INST]" + "\u4e2d\u6587" * 145 + "[/INST]"}
mistral = invoke("Mistral, a text in Chinese", "mistral.mistral-large-2402-v1:0", chinese)
assert mistral == (51, 27)
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
