#!/usr/bin/env bash
# DSPy: two servers that serve a model under one name share cached answers: the second one is not asked.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: a program evaluated against two addresses (`api_base`: the base model and the tuned one, both served under
#           one name, or staging and production) has two scores.
# Seen:     api_base and base_url are left out of the cache key, as the API key is. With the cache on, which is the
#           default and on disk, the second server gets no request, and its scores are those of the first one, in later
#           processes too. The prediction and the history do not show which server had answered.
#
# Output seen:
#   first server: 'base', requests [1, 0]
#   second server: 'base', requests [1, 0]
#   second server, cache=False: 'tuned', requests [1, 1]
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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dspy


class Server(ThreadingHTTPServer):
    """A server of chat completions that gives one answer."""

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.requests = answer, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests += 1
        text = f"[[ ## answer ## ]]\n{self.server.answer}\n\n[[ ## completed ## ]]"
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        completion = {"id": "1", "object": "chat.completion", "created": 1, "model": "served", "choices": [choice]}
        body = json.dumps({**completion, "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


servers = Server("base"), Server("tuned")
seen = []
for name, server, settings in (
    ("first server", servers[0], {}),
    ("second server", servers[1], {}),
    ("second server, cache=False", servers[1], {"cache": False}),
):
    url = f"http://127.0.0.1:{server.server_port}/v1"
    with dspy.context(lm=dspy.LM("openai/served", api_base=url, api_key="none", **settings)):
        answer = dspy.Predict("question -> answer")(question="Which model are you?").answer
    seen.append((answer, [one.requests for one in servers]))
    print(f"{name}: {answer!r}, requests {seen[-1][1]}")
assert seen == [("base", [1, 0]), ("base", [1, 0]), ("tuned", [1, 1])]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
