#!/usr/bin/env bash
# Instructor: a list that `max_tokens` cuts off ends as if it were complete, where a single answer raises.
#
# Seen on 2026-12-01 with instructor 1.17.0, openai 3.3.0, CPython 3.11.
# Expected: `create_iterable` raises `IncompleteOutputException` for an answer with the finish reason `length`, as
#           `create` does.
# Seen:     it yields the items that are whole and ends. What reads the list, as a metric of extracted facts, cannot
#           see that some are missing. `create_partial` ends likewise: a score of 10 that is cut behind its first digit
#           is returned as 1.
#
# Output seen:
#   create: IncompleteOutputException
#   create_iterable: 2 of 3 facts
#   create_partial: score 1 of 10
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check instructor==1.17.0 openai==3.3.0
cd "$folder"
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import instructor
from instructor.core.exceptions import IncompleteOutputException
from openai import OpenAI
from pydantic import BaseModel

WHOLE = '{"text": "Paris is in France.", "score": 10}'
answer = ""


class Server(BaseHTTPRequestHandler):
    """Calls the tool with `answer` as its arguments, which the token limit has cut off."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        function = {"name": request["tools"][0]["function"]["name"], "arguments": answer}
        call = {"index": 0, "id": "call-1", "type": "function", "function": function}
        choice = {"index": 0, "finish_reason": "length"}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        head = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4.1"}
        if request.get("stream"):
            first = {**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": message}]}
            last = {**head, "object": "chat.completion.chunk", "choices": [{**choice, "delta": {}}]}
            text = "".join(f"data: {line}\n\n" for line in (json.dumps(first), json.dumps(last), "[DONE]"))
            kind = "text/event-stream"
        else:
            text = json.dumps({**head, "object": "chat.completion", "choices": [{**choice, "message": message}]})
            kind = "application/json"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Fact(BaseModel):
    text: str
    score: int


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
openai = OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none", max_retries=0)
client = instructor.from_openai(openai)
request = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Facts?"}], "response_model": Fact}

answer = WHOLE[:-2]
try:
    single = client.chat.completions.create(**request, max_retries=0)
except IncompleteOutputException as error:
    single = type(error).__name__
print(f"create: {single}")
assert single == "IncompleteOutputException"

answer = f'{{"tasks": [{WHOLE}, {WHOLE}, {WHOLE[:20]}'
facts = list(client.chat.completions.create_iterable(**request))
print(f"create_iterable: {len(facts)} of 3 facts")
assert len(facts) == 2

answer = WHOLE[:-2]
*_, partial = client.chat.completions.create_partial(**request)
print(f"create_partial: score {partial.score} of 10")
assert partial.score == 1
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
