#!/usr/bin/env bash
# MLflow: the model that rewrites a judge in `GEPAAlignmentOptimizer` sees neither the labels of humans nor their reasons.
#
# Seen on 2026-12-01 with mlflow 3.17.2, dspy 3.4.1 and gepa 0.1.4, CPython 3.11.
# Expected: "GEPA uses iterative refinement to improve text components like judge instructions by reflecting on system
#           behavior and proposing improvements based on human feedback": what a human has given as the right value, and
#           as its rationale, is what the reflection model reads.
# Seen:     MLflow gives GEPA a metric that returns True or False. Of each answer the reflection model gets the inputs,
#           the verdict and rationale of the judge, and "This trajectory got a score of False." A judge of five values
#           cannot be aligned but by guessing, and the rationales, which are stored beside the labels, have no influence.
#
# Output seen:
#   12 traces with the label 'rude' and a rationale, a judge that answers 'formal'
#   feedback in the prompt of the reflection: ['This trajectory got a score of False.']
#   in the prompts of all 10 reflections: verdict of the judge True, label False, rationale of the human False
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 dspy==3.4.1 gepa==0.1.4
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true DSPY_CACHEDIR="$folder/cache"
cat >finding.py <<'PYTHON'
import contextlib
import io
import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

prompts = []


class Model(BaseHTTPRequestHandler):
    """The judge calls each answer formal; the reflection model proposes an instruction."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] == "reflection":
            prompts.append("".join(str(message["content"]) for message in body["messages"]))
            content = "Name the tone of {{ outputs }}."
        else:
            content = json.dumps({"result": "formal", "rationale": "It is short."})
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


server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"
os.environ.update(OPENAI_API_BASE=url, OPENAI_BASE_URL=url, OPENAI_API_KEY="none")

import mlflow
from mlflow.entities import AssessmentSource
from mlflow.genai.judges import make_judge
from mlflow.genai.judges.optimizers import GEPAAlignmentOptimizer

RATIONALE = "It does not greet the customer."


@mlflow.trace
def answer(question):
    return "No."


mlflow.set_tracking_uri("sqlite:///mlflow.db")
for number in range(12):
    answer(f"question {number}")
mlflow.flush_trace_async_logging()
traces = mlflow.search_traces(return_type="list")
for trace in traces:
    human = AssessmentSource(source_type="HUMAN", source_id="reviewer")
    mlflow.log_feedback(trace_id=trace.info.trace_id, name="tone", value="rude", rationale=RATIONALE, source=human)
traces = mlflow.search_traces(return_type="list")
judge = make_judge(
    name="tone",
    instructions="Name the tone of the answer {{ outputs }} to {{ inputs }}.",
    model="openai:/judge",
    feedback_value_type=Literal["formal", "friendly", "neutral", "impatient", "rude"],
)
with contextlib.redirect_stdout(io.StringIO()):
    GEPAAlignmentOptimizer(model="openai:/reflection", max_metric_calls=40).align(judge, traces)
labels = {trace.info.assessments[0].value for trace in traces}
print(f"{len(traces)} traces with the label {labels.pop()!r} and a rationale, a judge that answers 'formal'")
feedback = sorted({text for prompt in prompts for text in re.findall(r'"Feedback": "(.*?)"', prompt)})
print("feedback in the prompt of the reflection:", feedback)
found = [all("formal" in text for text in prompts), any("rude" in text for text in prompts)]
found.append(any(RATIONALE in text for text in prompts))
print(
    f"in the prompts of all {len(prompts)} reflections: verdict of the judge {found[0]}, label {found[1]}, "
    f"rationale of the human {found[2]}"
)
assert prompts
assert feedback == ["This trajectory got a score of False."]
assert found == [True, False, False]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
