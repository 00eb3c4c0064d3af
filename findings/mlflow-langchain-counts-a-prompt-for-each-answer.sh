#!/usr/bin/env bash
# MLflow: where LangChain asks for several answers in one request, the trace has the tokens and the cost of several requests.
#
# Seen on 2026-12-01 with mlflow 3.17.2, langchain 1.4.3, langchain-openai 1.7.4, CPython 3.11.
# Expected: `ChatOpenAI(n=3)` sends one request, whose prompt is billed once. The response has the tokens of all, and so has
#           LangChain's `llm_output`.
# Seen:     langchain-openai writes the usage of the whole response to each of its messages. MLflow's tracer adds the usages
#           of the messages up: three answers have three times the tokens of the response, and three times its cost.
#
# Output seen:
#   n=1: response 100 and 20 tokens, trace 100 and 20, cost 0.00036
#   n=3: response 100 and 60 tokens, trace 300 and 180, cost 0.00204 instead of 0.00068
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 langchain==1.4.3 \
  langchain-openai==1.7.4
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_MODEL_CATALOG_URI=
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

PROMPT = 100
ANSWER = 20
DOLLARS = (2e-6, 8e-6)
requests = []


class Model(BaseHTTPRequestHandler):
    """Gives as many answers as are asked for."""

    def do_POST(self):
        count = json.loads(self.rfile.read(int(self.headers["Content-Length"]))).get("n", 1)
        requests.append(count)
        message = {"role": "assistant", "content": "Oslo."}
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4.1",
            "choices": [{"index": index, "message": message, "finish_reason": "stop"} for index in range(count)],
            "usage": {
                "prompt_tokens": PROMPT,
                "completion_tokens": ANSWER * count,
                "total_tokens": PROMPT + ANSWER * count,
            },
        }
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
mlflow.langchain.autolog()
seen = []
for count in (1, 3):
    model = ChatOpenAI(model="gpt-4.1", n=count, base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
    usage = model.generate([[HumanMessage("Where is sun?")]]).llm_output["token_usage"]
    mlflow.flush_trace_async_logging()
    (trace,) = mlflow.search_traces(return_type="list", max_results=1, order_by=["timestamp_ms DESC"])
    billed = (usage["prompt_tokens"], usage["completion_tokens"])
    counted = (trace.info.token_usage["input_tokens"], trace.info.token_usage["output_tokens"])
    cost = round(trace.info.cost["total_cost"], 6)
    right = round(sum(tokens * price for tokens, price in zip(billed, DOLLARS)), 6)
    seen.append((billed, counted, cost, right))
    print(
        f"n={count}: response {billed[0]} and {billed[1]} tokens, trace {counted[0]} and {counted[1]}, "
        f"cost {cost:.5f}" + ("" if cost == right else f" instead of {right:.5f}")
    )
assert requests == [1, 3]
assert seen == [((100, 20), (100, 20), 0.00036, 0.00036), ((100, 60), (300, 180), 0.00204, 0.00068)]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
