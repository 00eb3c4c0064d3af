#!/usr/bin/env bash
# LiteLLM: `num_retries=2` sends five requests to a server that is down, and a request that it refuses three times.
#
# Seen on 2026-12-01 with litellm 1.106.12, tenacity 9.2.1, CPython 3.11.
# Expected: "The number of times to retry the API call if an APIError, TimeoutError or ServiceUnavailableError occurs":
#           three requests for a server that is down or at its rate limit, one for a request that it refuses (400, 401).
# Seen:     num_retries is passed to OpenAI's client, which sends 1 + 2 requests, and LiteLLM tries the failed call two
#           more times itself: 2 * num_retries + 1. LiteLLM retries each error of the API, as an invalid request or a
#           wrong key, which OpenAI's client does not. Of a Router the same setting is as expected.
#
# Output seen:
#   completion: status 500: 5 requests, 429: 5, 400: 3, 401: 3
#   acompletion: status 500: 5 requests, 429: 5, 400: 3, 401: 3
#   Router.completion: status 500: 3 requests, 429: 3, 400: 1, 401: 1
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check litellm==1.106.12 tenacity==9.2.1
cd "$folder"
export LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import litellm
import openai

status = 500
requests = 0


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        global requests
        requests += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"error": {"message": "No.", "type": "x"}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After-Ms", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
litellm.suppress_debug_info = True
model = {"model": "openai/gpt-4o", "api_base": f"http://127.0.0.1:{server.server_port}/v1", "api_key": "none"}
messages = [{"role": "user", "content": "Hi"}]


def sent(call):
    """For each status the number of requests that the call sends."""
    global requests, status
    counts = []
    for status in (500, 429, 400, 401):
        requests = 0
        try:
            call()
        except openai.APIError:
            counts.append(requests)
    return counts


def router():
    litellm.Router(model_list=[{"model_name": "m", "litellm_params": model}], num_retries=2).completion("m", messages)


found = {
    "completion": sent(lambda: litellm.completion(**model, messages=messages, num_retries=2)),
    "acompletion": sent(lambda: asyncio.run(litellm.acompletion(**model, messages=messages, num_retries=2))),
    "Router.completion": sent(router),
}
for name, (error, limit, invalid, key) in found.items():
    print(f"{name}: status 500: {error} requests, 429: {limit}, 400: {invalid}, 401: {key}")
assert list(found.values()) == [[5, 5, 3, 3], [5, 5, 3, 3], [3, 3, 1, 1]]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
