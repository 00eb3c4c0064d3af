#!/usr/bin/env bash
# LiteLLM: the price that is given with one call is the price of every later call of that model.
#
# Seen on 2026-11-30 with litellm 1.106.12, CPython 3.11.
# Expected: `completion(..., input_cost_per_token=0, output_cost_per_token=0)` prices this call, as each other argument
#           is one of the call; the next call without a price costs what the list says.
# Seen:     the price replaces the one of the list in the process, for every server and thread, with nothing logged. After
#           one call of a free deployment of a model the same model on a paid one costs 0.0, in the response, by
#           completion_cost and for callbacks: sums are too low and budgets never reached. The calls of a Router keep
#           their prices apart.
#
# Output seen:
#   call of gpt-4o: 0.0075
#   call with a price of 0: 0.0
#   call of gpt-4o: 0.0
#   call of gpt-4o at another server: 0.0
#   completion_cost of the first response: 0.0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check litellm==1.106.12
cd "$folder"
export LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import litellm

ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
}


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/v1"


costs = []


def call(title, server, **prices):
    messages = [{"role": "user", "content": "Hi"}]
    response = litellm.completion(model="openai/gpt-4o", messages=messages, api_base=server, api_key="none", **prices)
    costs.append(response._hidden_params["response_cost"])
    print(f"{title}: {costs[-1]}")
    return response


paid, free = serve(), serve()
first = call("call of gpt-4o", paid)
call("call with a price of 0", free, input_cost_per_token=0, output_cost_per_token=0)
call("call of gpt-4o", paid)
call("call of gpt-4o at another server", serve())
costs.append(litellm.completion_cost(first))
print(f"completion_cost of the first response: {costs[-1]}")
assert costs == [0.0075, 0.0, 0.0, 0.0, 0.0]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
