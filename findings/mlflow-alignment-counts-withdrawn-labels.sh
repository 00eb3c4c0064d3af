#!/usr/bin/env bash
# MLflow: labels that a human has replaced still count in `judge.align`: a judge that gives the labels in force is wrong.
#
# Seen on 2026-12-01 with mlflow 3.17.2, dspy 3.4.1, gepa 0.1.4, CPython 3.11.
# Expected: `mlflow.override_feedback` marks a label as invalid and writes the one that is in force. `search_traces`,
#           `trace.search_assessments` and MLflow's charts see the latter alone. A judge is aligned with it.
# Seen:     the alignment reads all labels of a trace, invalid ones too, and takes the majority. A reviewer who writes
#           'yes', replaces it for a better rationale, and then by 'no', is outvoted by the two labels before: of 12
#           traces whose one label in force is 'no', a judge that answers 'no' agrees with none, and is rewritten. Where
#           the labels are changed in place (`update_assessment`) it agrees with all. The log calls the label in force a
#           discarded one. SIMBA, GEPA and MemAlign share the function that reads the labels.
#
# Output seen:
#   replaced by override_feedback: labels in force {'no': 12}, found with 'no' 12 and with 'yes' 0
#     agreement of a judge that answers 'no': 0.0, it is rewritten: True
#   changed by update_assessment: labels in force {'no': 12}, found with 'no' 12 and with 'yes' 0
#     agreement of a judge that answers 'no': 1.0, it is rewritten: False
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
import collections
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
    """The judge answers 'no'; the reflection model proposes an instruction."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] == "reflection":
            prompts.append(body["messages"])
            content = "Is {{ outputs }} right?"
        else:
            content = json.dumps({"result": "no", "rationale": "It is wrong."})
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
from mlflow.entities import AssessmentSource, Feedback
from mlflow.genai.judges import make_judge
from mlflow.genai.judges.optimizers import GEPAAlignmentOptimizer

HUMAN = AssessmentSource(source_type="HUMAN", source_id="reviewer")
CHANGES = (("yes", "It names the right city."), ("no", "It names the right city in the wrong country."))
scores = []


class Log(logging.Handler):
    """Keeps the score of the given judge, which GEPA logs."""

    def emit(self, record):
        scores.extend(re.findall(r"Base program full valset score: (\S+)", record.getMessage()))


@mlflow.trace
def answer(question):
    return "Paris, Texas."


def override(trace_id, assessment_id, value, rationale):
    return mlflow.override_feedback(
        trace_id=trace_id, assessment_id=assessment_id, value=value, rationale=rationale, source=HUMAN
    ).assessment_id


def update(trace_id, assessment_id, value, rationale):
    changed = Feedback(name="right", value=value, rationale=rationale, source=HUMAN)
    return mlflow.update_assessment(
        trace_id=trace_id, assessment_id=assessment_id, assessment=changed
    ).assessment_id


def align(title, change):
    """Align the judge with labels that were changed so; its agreement with them before."""
    prompts.clear()
    scores.clear()
    mlflow.set_experiment(title)
    for number in range(12):
        answer(f"question {number}")
    mlflow.flush_trace_async_logging()
    for trace in mlflow.search_traces(return_type="list"):
        trace_id = trace.info.trace_id
        label = mlflow.log_feedback(trace_id=trace_id, name="right", value="yes", source=HUMAN).assessment_id
        for value, rationale in CHANGES:
            label = change(trace_id, label, value, rationale)
    traces = mlflow.search_traces(return_type="list")
    valid = collections.Counter(each.value for trace in traces for each in trace.search_assessments("right"))
    found = [
        len(mlflow.search_traces(filter_string=f"feedback.right = '{value}'", return_type="list"))
        for value in ("no", "yes")
    ]
    judge = make_judge(
        name="right",
        instructions="Does {{ outputs }} answer {{ inputs }}? Answer yes or no.",
        model="openai:/judge",
        feedback_value_type=str,
    )
    assert judge(inputs={"question": "question 0"}, outputs="Paris, Texas.").value == "no"
    with contextlib.redirect_stdout(io.StringIO()):
        GEPAAlignmentOptimizer(model="openai:/reflection", max_metric_calls=40).align(judge, traces)
    (score,) = scores
    rewritten = bool(prompts)
    print(f"{title}: labels in force {dict(valid)}, found with 'no' {found[0]} and with 'yes' {found[1]}")
    print(f"  agreement of a judge that answers 'no': {score}, it is rewritten: {rewritten}")
    return valid, found, float(score), rewritten


logging.getLogger("dspy.teleprompt.gepa.gepa").addHandler(Log())
mlflow.set_tracking_uri("sqlite:///mlflow.db")
assert align("replaced by override_feedback", override) == ({"no": 12}, [12, 0], 0.0, True)
assert align("changed by update_assessment", update) == ({"no": 12}, [12, 0], 1.0, False)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
