#!/usr/bin/env bash
# LiteLLM: `litellm.num_retries` is None after the first call that fails: no later call of the process is retried by it.
#
# Seen on 2026-12-01 with litellm 1.106.12, tenacity 9.2.1, CPython 3.11.
# Expected: `litellm.num_retries` is a setting of the process: each call whose server answers with an error is tried again
#           that often.
# Seen:     when a completion raises, LiteLLM sets litellm.num_retries to None "to prevent infinite loops", and never back.
#           One request that the server refuses is enough, of whatever thread or model. Of two equal outages, of five
#           answers each, the program gets over the first one, and fails at the second one after the two retries of
#           OpenAI's client.
#
# Output seen:
#   num_retries 4, an outage of five answers: answered
#   after the outage: num_retries None
#   num_retries 4 again, a request that the server refuses: BadRequestError
#   after the refusal: num_retries None
#   an outage of five answers: InternalServerError after 3 requests
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
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import litellm
import openai

ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
failures = []
requests = 0


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        global requests
        requests += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        status = failures.pop(0) if failures else 200
        body = json.dumps(ANSWER if status == 200 else {"error": {"message": "No.", "type": "x"}}).encode()
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


def call(statuses):
    global requests
    failures[:], requests = statuses, 0
    try:
        litellm.completion(
            model="openai/gpt-4o",
            messages=[{"role": "user", "content": "Hi"}],
            api_base=f"http://127.0.0.1:{server.server_port}/v1",
            api_key="none",
        )
    except openai.APIError as error:
        return type(error).__name__
    return "answered"


outage = [500] * 5
litellm.num_retries = 4
first = call(outage)
print(f"num_retries 4, an outage of five answers: {first}")
print(f"after the outage: num_retries {litellm.num_retries}")
assert first == "answered" and litellm.num_retries is None
litellm.num_retries = 4
refused = call([400] * 99)
print(f"num_retries 4 again, a request that the server refuses: {refused}")
print(f"after the refusal: num_retries {litellm.num_retries}")
assert refused == "BadRequestError" and litellm.num_retries is None
second = call(outage)
print(f"an outage of five answers: {second} after {requests} requests")
assert (second, requests) == ("InternalServerError", 3)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
