#!/usr/bin/env bash
# MLflow: a judge that gives the same scores as the humans agrees with them in no example: 4 and 4.0 are compared as texts.
#
# Seen on 2026-12-01 with mlflow 3.17.2, dspy 3.4.1 and gepa 0.1.4, CPython 3.11.
# Expected: with `feedback_value_type=float` the score 4 of the judge is the score 4.0 of the human, and an alignment
#           has nothing to improve.
# Seen:     the optimizers compare the scores as texts, and the value of a judge is the number as the model wrote it, no
#           float: '4' is not '4.0'. A judge that is right in all 12 examples scores 0, each proposal is paid for and
#           scores 0 too, and the given judge is returned. With labels that are whole numbers it scores 1, unless the
#           model writes 4.0.
#
# Output seen:
#   human 4.0, judge 4: agreement of the given judge 0.0, 10 reflections
#   human 4, judge 4: agreement of the given judge 1.0, 0 reflections
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
import logging
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

prompts = []


class Model(BaseHTTPRequestHandler):
    """The judge gives each answer the score 4; the reflection model proposes an instruction."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] == "reflection":
            prompts.append(body["messages"])
            content = "Score {{ outputs }}."
        else:
            content = json.dumps({"result": 4, "rationale": "It is short."})
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

import dspy
import mlflow
from mlflow.entities import AssessmentSource
from mlflow.genai.judges import make_judge
from mlflow.genai.judges.optimizers import GEPAAlignmentOptimizer

scores = []


class Log(logging.Handler):
    """Keeps the score of the given judge, which GEPA logs."""

    def emit(self, record):
        scores.extend(re.findall(r"Base program full valset score: (\S+)", record.getMessage()))


@mlflow.trace
def answer(question):
    return "No."


def align(label):
    """Align the judge with that label of each of 12 answers."""
    prompts.clear()
    scores.clear()
    mlflow.set_experiment(f"label {label}")
    for number in range(12):
        answer(f"question {number}")
    mlflow.flush_trace_async_logging()
    human = AssessmentSource(source_type="HUMAN", source_id="reviewer")
    for trace in mlflow.search_traces(return_type="list"):
        mlflow.log_feedback(trace_id=trace.info.trace_id, name="quality", value=label, source=human)
    judge = make_judge(
        name="quality",
        instructions="Score the answer {{ outputs }} to {{ inputs }} from 1 to 5.",
        model="openai:/judge",
        feedback_value_type=float,
    )
    value = judge(inputs={"question": "question 0"}, outputs="No.").value
    assert value == label
    with contextlib.redirect_stdout(io.StringIO()):
        optimizer = GEPAAlignmentOptimizer(model="openai:/reflection", max_metric_calls=40)
        optimizer.align(judge, mlflow.search_traces(return_type="list"))
    (score,) = scores
    print(f"human {label}, judge {value}: agreement of the given judge {score}, {len(prompts)} reflections")
    return float(score), bool(prompts)


logging.getLogger("dspy.teleprompt.gepa.gepa").addHandler(Log())
mlflow.set_tracking_uri("sqlite:///mlflow.db")
assert align(4.0) == (0.0, True)
assert align(4) == (1.0, False)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
