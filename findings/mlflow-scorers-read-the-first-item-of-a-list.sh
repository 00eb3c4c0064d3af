#!/usr/bin/env bash
# MLflow: of an answer that is a list the built-in scorers read the first item alone.
#
# Seen on 2026-12-01 with mlflow 3.17.2, CPython 3.11.
# Expected: of a program that returns a list, as the names in a text or the lines of an answer, a scorer checks the list.
# Seen:     `parse_outputs_to_str` takes each list for one answer that a pyfunc model has wrapped, and continues with
#           its first item. `PIIDetection` finds no address in the second line, `RegexMatch` no second name,
#           `ResponseLength` counts the first line, and the prompt of the judge `Correctness` has the first name of two:
#           it rates an incomplete answer. The trace and the table have the whole list, and nothing is logged. The same
#           function is behind `Guidelines`, `Safety`, guardrails, and the scorers of ragas, deepeval, trulens and
#           phoenix. A list inside a dict is read as a whole.
#
# Output seen:
#   PIIDetection of ["Hello", "alice@example.com"]: yes
#   PIIDetection of {"lines": ["Hello", "alice@example.com"]}: no
#   RegexMatch(pattern="Lyon") of ["Paris", "Lyon"]: no
#   ResponseLength(max_length=10) of ["Hello", "and a line that is longer"]: yes
#   Correctness of ["Paris", "Lyon"]: in the judge's prompt Paris True, Lyon False
#   Correctness of {"cities": ["Paris", "Lyon"]}: in the judge's prompt Paris True, Lyon True
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
cat >finding.py <<'PYTHON'
import contextlib
import io
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

prompts = []


class Model(BaseHTTPRequestHandler):
    """A judge that agrees with each answer."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompts.append(json.dumps(body["messages"]))
        content = json.dumps({"result": "yes", "rationale": "It is right."})
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        encoded = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"
os.environ.update(OPENAI_API_BASE=url, OPENAI_BASE_URL=url, OPENAI_API_KEY="none")

import mlflow
from mlflow.genai.scorers import Correctness, PIIDetection, RegexMatch, ResponseLength


def evaluate(scorer, answer):
    """Return the value of the scorer for a program with that answer."""
    row = {"inputs": {"question": "Which are they?"}, "expectations": {"expected_facts": ["They are two cities."]}}
    with contextlib.redirect_stdout(io.StringIO()):
        result = mlflow.genai.evaluate(data=[row], predict_fn=lambda question: answer, scorers=[scorer])
    return str(result.result_df[f"{scorer.name}/value"][0])


def verdict(text, scorer, answer):
    value = evaluate(scorer, answer)
    print(f"{text} of {json.dumps(answer)}: {value}")
    return value


def in_prompt(answer):
    prompts.clear()
    evaluate(Correctness(model="openai:/judge"), answer)
    (prompt,) = prompts
    found = {city: city in prompt for city in ("Paris", "Lyon")}
    print(f"Correctness of {json.dumps(answer)}: in the judge's prompt Paris {found['Paris']}, Lyon {found['Lyon']}")
    return list(found.values())


mlflow.set_tracking_uri("sqlite:///mlflow.db")
lines = ["Hello", "alice@example.com"]
assert verdict("PIIDetection", PIIDetection(), lines) == "yes"
assert verdict("PIIDetection", PIIDetection(), {"lines": lines}) == "no"
assert verdict('RegexMatch(pattern="Lyon")', RegexMatch(pattern="Lyon"), ["Paris", "Lyon"]) == "no"
longer = ["Hello", "and a line that is longer"]
assert verdict("ResponseLength(max_length=10)", ResponseLength(max_length=10), longer) == "yes"
assert in_prompt(["Paris", "Lyon"]) == [True, False]
assert in_prompt({"cities": ["Paris", "Lyon"]}) == [True, True]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
