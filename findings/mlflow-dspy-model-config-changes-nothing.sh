#!/usr/bin/env bash
# MLflow: `model_config` of a logged DSPy program is stored, and changes nothing.
#
# Seen on 2026-12-01 with mlflow 3.17.2, dspy 3.4.1, CPython 3.11.
# Expected: `mlflow.dspy.log_model(model_config=…)`: "keyword arguments to be passed to the Dspy Module at instantiation".
#           A model that is logged with {"temperature": 0.0} is served with it, and another value may be given by
#           `mlflow.pyfunc.load_model(model_config=…)`.
# Seen:     the wrapper keeps the dictionary, and nothing reads it: the program has been instantiated before. Its requests
#           have the temperature that its model had when it was logged. A name that the program does not have, such
#           as one that is misspelled, raises nothing either.
#
# Output seen:
#   use_dspy_model_save=False: model_config of the loaded model {'temperature': 0.0}, temperature of the request 0.9
#   use_dspy_model_save=True: model_config of the loaded model {'temperature': 0.0}, temperature of the request 0.9
#   a program that takes the argument itself: temperature of the request 0.9
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 dspy==3.4.1
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_ALLOW_PICKLE_DESERIALIZATION=true
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

requests = []


class Model(BaseHTTPRequestHandler):
    """Answers 42."""

    def do_POST(self):
        requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        message = {"role": "assistant", "content": "[[ ## answer ## ]]\n42\n\n[[ ## completed ## ]]"}
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "served",
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


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()

import dspy
import mlflow


class Answer(dspy.Module):
    """A program with an argument of its own."""

    def __init__(self, temperature=0.9):
        super().__init__()
        self.answer = dspy.Predict("question -> answer", temperature=temperature)

    def forward(self, question):
        return self.answer(question=question)


def temperature(program, config, **options):
    """Return the `model_config` of the loaded model, and the temperature of its request."""
    info = mlflow.dspy.log_model(program, name="program", model_config=config, **options)
    loaded = mlflow.pyfunc.load_model(info.model_uri)
    requests.clear()
    assert loaded.predict({"question": "6*7?"})["answer"] == "42"
    (request,) = requests
    return loaded._model_impl.model_config, request["temperature"]


mlflow.set_tracking_uri("sqlite:///mlflow.db")
url = f"http://127.0.0.1:{server.server_port}/v1"
dspy.configure(lm=dspy.LM("openai/served", api_base=url, api_key="none", temperature=0.9, cache=False))
for save in (False, True):
    found = temperature(dspy.Predict("question -> answer"), {"temperature": 0.0}, use_dspy_model_save=save)
    print(
        f"use_dspy_model_save={save}: model_config of the loaded model {found[0]}, temperature of the request {found[1]}"
    )
    assert found == ({"temperature": 0.0}, 0.9)
found = temperature(Answer(), {"temperature": 0.0})
print(f"a program that takes the argument itself: temperature of the request {found[1]}")
assert found[1] == 0.9
temperature(dspy.Predict("question -> answer"), {"no_parameter_of_it": 0.0})
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
