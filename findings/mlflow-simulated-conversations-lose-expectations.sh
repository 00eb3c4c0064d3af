#!/usr/bin/env bash
# MLflow: `ConversationSimulator` drops the expectations of a dataset, and ends a conversation that has some in a list.
#
# Seen on 2026-12-01 with mlflow 3.17.2, CPython 3.11.
# Expected: test cases are "a list of test case dicts, a DataFrame, or an EvaluationDataset" with `expectations`, which "are
#           logged to the first trace of the session", for scorers that compare with them.
# Seen:     of the records of a dataset the simulator reads `inputs` alone. `expectations` are a field of their own there,
#           and `merge_records` rejects them inside of `inputs`: no trace has them, and nothing is logged. From a list they
#           are written at once to a trace that MLflow, by default, is still storing on another thread: "Trace with ID ...
#           not found" ends the conversation in its first turn, and where all test cases have some, `simulate` raises.
#           Only a list together with MLFLOW_ENABLE_ASYNC_TRACE_LOGGING=false has traces with expectations.
#
# Output seen:
#   list, by default: MlflowException: Simulation produced no traces.
#   dataset, by default: 4 conversations, expectations []
#   list, MLFLOW_ENABLE_ASYNC_TRACE_LOGGING=false: 4 conversations, expectations ['Berlin', 'Lima', 'Oslo', 'Paris']
#   dataset, MLFLOW_ENABLE_ASYNC_TRACE_LOGGING=false: 4 conversations, expectations []
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
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CITIES = {"France": "Paris", "Norway": "Oslo", "Peru": "Lima", "Germany": "Berlin"}


class Model(BaseHTTPRequestHandler):
    """Finds that the user's goal is reached."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        content = json.dumps({"rationale": "The city is named.", "result": "yes"})
        message = {"role": "assistant", "content": content}
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "user",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
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
from mlflow.exceptions import MlflowException
from mlflow.genai.datasets import create_dataset
from mlflow.genai.simulators import BaseSimulatedUserAgent, ConversationSimulator

KINDS = {"default": "by default", "false": "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING=false"}


class User(BaseSimulatedUserAgent):
    """Asks what the goal is."""

    def generate_message(self, context):
        return f"What is the {context.goal}?"


@mlflow.trace
def program(input, **_):
    land = input[-1]["content"].split()[-1].rstrip("?")
    part = {"type": "output_text", "text": CITIES[land]}
    return {"output": [{"type": "message", "role": "assistant", "content": [part]}]}


def simulated(cases):
    """Number of conversations with a trace, and their expectations, or the error."""
    simulator = ConversationSimulator(cases, max_turns=2, user_model="openai:/user", user_agent_class=User)
    try:
        conversations = simulator.simulate(program)
    except MlflowException as error:
        return f"MlflowException: {str(error).split('.')[0]}."
    mlflow.flush_trace_async_logging()
    traces = [mlflow.get_trace(conversation[0].info.trace_id) for conversation in conversations]
    found = sorted(each.value for trace in traces for each in trace.search_assessments(type="expectation"))
    return f"{len(conversations)} conversations, expectations {found}"


mlflow.set_tracking_uri("sqlite:///mlflow.db")
experiment = mlflow.set_experiment(sys.argv[1])
goals = [(f"capital of {land}", {"city": city}) for land, city in CITIES.items()]
dataset = create_dataset(name=sys.argv[1], experiment_id=[experiment.experiment_id])
dataset.merge_records([{"inputs": {"goal": goal}, "expectations": expected} for goal, expected in goals])
assert sorted(each["city"] for each in dataset.to_df()["expectations"]) == sorted(CITIES.values())
cases = [{"goal": goal, "expectations": expected} for goal, expected in goals]
in_list, in_dataset = simulated(cases), simulated(dataset)
print(f"list, {KINDS[sys.argv[1]]}: {in_list}")
print(f"dataset, {KINDS[sys.argv[1]]}: {in_dataset}")
whole = f"4 conversations, expectations {sorted(CITIES.values())}"
assert in_dataset == "4 conversations, expectations []"
assert (in_list == whole) == (sys.argv[1] == "false")
PYTHON
"$folder/venv/bin/python" finding.py default 2>log || { cat log >&2; exit 1; }
MLFLOW_ENABLE_ASYNC_TRACE_LOGGING=false "$folder/venv/bin/python" finding.py false 2>log || { cat log >&2; exit 1; }
