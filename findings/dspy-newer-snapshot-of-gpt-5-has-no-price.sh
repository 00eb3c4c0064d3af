#!/usr/bin/env bash
# DSPy: calls of gpt-5.4 have no cost once the answer names a snapshot that the price list lacks; those of gpt-4.1 have one.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: the answer to a request for gpt-5.4 names the snapshot that has answered. If DSPy's price list does not have
#           that name, as that of a newer snapshot or of a gateway, the price is that of the model that was requested, as
#           for gpt-4.1: `cost_details` of the call names it.
# Seen:     DSPy takes the requested model where it finds nothing about the one of the answer. For names of the families
#           gpt-5, o3, claude and gemini it always finds something: what rules by family say of their capabilities, without
#           a price. The cost is None from the day on which the provider moves the name to a new snapshot, and sums over
#           calls, where None counts as nothing, are too small.
#
# Output seen:
#   gpt-4.1, answered by gpt-4.1-2025-04-14: 2.0
#   gpt-4.1, answered by gpt-4.1-2027-01-01: 2.0
#   gpt-5.4, answered by gpt-5.4-2026-03-05: 5.0
#   gpt-5.4, answered by gpt-5.4-2027-01-01: None
#   o3, answered by o3-2027-01-01: None
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import dspy

CALLS = [
    ("gpt-4.1", "gpt-4.1-2025-04-14"),
    ("gpt-4.1", "gpt-4.1-2027-01-01"),
    ("gpt-5.4", "gpt-5.4-2026-03-05"),
    ("gpt-5.4", "gpt-5.4-2027-01-01"),
    ("o3", "o3-2027-01-01"),
]


class Server(BaseHTTPRequestHandler):
    """OpenAI's chat completions: the answer names the snapshot that is in `snapshot`."""

    snapshot = ""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "Ulm."}
        body = json.dumps({
            "id": "1", "object": "chat.completion", "created": 1, "model": self.snapshot,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000},
        }).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
costs = []
for model, Server.snapshot in CALLS:
    address = f"http://127.0.0.1:{server.server_port}/v1"
    lm = dspy.LM(f"openai/{model}", api_base=address, api_key="key", cache=False, max_tokens=None, temperature=None)
    assert lm("Where is the minster?")[0] in ("Ulm.", {"text": "Ulm."})
    costs.append(lm.history[-1]["cost"])
    print(f"{model}, answered by {Server.snapshot}: {costs[-1]}")
assert costs[0] == costs[1] == 2.0 and costs[2] == 5.0 and costs[3] is costs[4] is None
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
