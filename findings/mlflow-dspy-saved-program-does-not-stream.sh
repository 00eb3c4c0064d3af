#!/usr/bin/env bash
# MLflow: a DSPy program that is logged with `use_dspy_model_save=True` cannot be streamed from.
#
# Seen on 2026-12-01 with mlflow 3.17.2, dspy 3.4.1, CPython 3.11.
# Expected: a program with a signature whose outputs are texts is streamable, in whichever of the two formats it is logged.
#           `use_dspy_model_save=True` is the one that MLflow recommends, in a warning with each use of the other.
# Seen:     both are logged as `streamable: true`. The loaded one in DSPy's format has no output schema: `predict_stream`
#           raises "Output schema of the DSPy model is not set. Please log your DSPy model with `signature`", although
#           it is logged with one. The schema is an attribute of the object that the other format pickles.
#
# Output seen:
#   use_dspy_model_save=False: signature of the loaded model ['answer'], streamable True, streamed '42'
#   use_dspy_model_save=True: signature of the loaded model ['answer'], streamable True, MlflowException
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

PIECES = ["[[ ## answer ## ]]\n", "4", "2", "\n\n[[ ## completed ## ]]"]


class Model(BaseHTTPRequestHandler):
    """Answers 42."""

    def do_POST(self):
        streams = json.loads(self.rfile.read(int(self.headers["Content-Length"]))).get("stream")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if streams else "application/json")
        self.end_headers()
        for piece in PIECES if streams else ["".join(PIECES)]:
            said = {"role": "assistant", "content": piece}
            choice = {"index": 0, "finish_reason": None if streams else "stop", "delta" if streams else "message": said}
            kind = "chat.completion.chunk" if streams else "chat.completion"
            encoded = json.dumps({"id": "1", "object": kind, "created": 1, "model": "served", "choices": [choice]})
            self.wfile.write((f"data: {encoded}\n\n" if streams else encoded).encode())
        if streams:
            self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()

import dspy
import mlflow


from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema

signature = ModelSignature(inputs=Schema([ColSpec("string", "question")]), outputs=Schema([ColSpec("string", "answer")]))


def streamed(save):
    """Return the streamed text, or the name of the error."""
    program = dspy.Predict("question -> answer")
    info = mlflow.dspy.log_model(program, name="program", signature=signature, use_dspy_model_save=save)
    loaded = mlflow.pyfunc.load_model(info.model_uri)
    assert loaded.predict({"question": "6*7?"})["answer"] == "42"
    names = loaded.metadata.signature.outputs.input_names()
    streamable = loaded.metadata.flavors["python_function"]["streamable"]
    try:
        text = "".join(piece["chunk"] for piece in loaded.predict_stream({"question": "6*7?"}))
        found = f"streamed {text!r}"
    except mlflow.MlflowException as error:
        assert "Please log your DSPy model with `signature`" in str(error)
        found = type(error).__name__
    print(f"use_dspy_model_save={save}: signature of the loaded model {names}, streamable {streamable}, {found}")
    assert (names, streamable) == (["answer"], True)
    return found


mlflow.set_tracking_uri("sqlite:///mlflow.db")
url = f"http://127.0.0.1:{server.server_port}/v1"
dspy.configure(lm=dspy.LM("openai/served", api_base=url, api_key="none", cache=False))
assert streamed(save=False) == "streamed '42'"
assert streamed(save=True) == "MlflowException"
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
