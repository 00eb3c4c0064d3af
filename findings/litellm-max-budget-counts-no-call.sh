#!/usr/bin/env bash
# LiteLLM: `litellm.max_budget` is never reached, because the costs of completions are not added up.
#
# Seen on 2026-11-30 with litellm 1.106.12, CPython 3.11.
# Expected: `litellm.max_budget` is "the max budget across all providers": once the calls of the process have cost that
#           much, the next one raises BudgetExceededError.
# Seen:     a response counts only if it is a dict with "content". That of `completion`, `acompletion` and `embedding` is
#           an object, and a stream is left out: the sum stays 0.0, and no call is ever refused. Its price is known, and
#           in the response.
#
# Output seen:
#   budget 0.01 USD
#   10 calls of completion: 0.075 USD, counted 0.0, refused 0
#   10 calls of acompletion: 0.075 USD, counted 0.0, refused 0
#   10 streams: counted 0.0, refused 0
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
import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import litellm

HEAD = {"id": "1", "created": 1, "model": "gpt-4o"}
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
ANSWER = {"role": "assistant", "content": "Hi."}


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        choice = {"index": 0, "finish_reason": "stop"}
        if request.get("stream"):
            chunk = {**HEAD, "object": "chat.completion.chunk", "choices": [{**choice, "delta": ANSWER}]}
            last = {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
            body = f"data: {json.dumps(chunk)}\n\ndata: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode()
        else:
            answer = {**HEAD, "object": "chat.completion", "choices": [{**choice, "message": ANSWER}], "usage": USAGE}
            body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if request.get("stream") else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
call = {
    "model": "openai/gpt-4o",
    "messages": [{"role": "user", "content": "Hi"}],
    "api_base": f"http://127.0.0.1:{server.server_port}/v1",
    "api_key": "none",
}
refused = 0


def stream():
    list(litellm.completion(**call, stream=True, stream_options={"include_usage": True}))


def ten(run):
    """Run ten calls; return what they cost."""
    global refused
    cost = 0.0
    for _ in range(10):
        try:
            response = run()
        except litellm.BudgetExceededError:
            refused += 1
        else:
            cost += response._hidden_params["response_cost"] if response else 0.0
    time.sleep(2)  # costs are added up on a thread
    return round(cost, 6)


litellm.max_budget = 0.01
print(f"budget {litellm.max_budget} USD")
cost = ten(lambda: litellm.completion(**call))
print(f"10 calls of completion: {cost} USD, counted {litellm._current_cost}, refused {refused}")
cost_async = ten(lambda: asyncio.run(litellm.acompletion(**call)))
print(f"10 calls of acompletion: {cost_async} USD, counted {litellm._current_cost}, refused {refused}")
ten(stream)
print(f"10 streams: counted {litellm._current_cost}, refused {refused}")
assert cost == cost_async == 0.075
assert litellm._current_cost == 0.0
assert refused == 0
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
