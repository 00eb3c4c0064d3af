#!/usr/bin/env bash
# MLflow: each choice of a DSPy chat model that returns several answers is the whole list of them.
#
# Seen on 2026-11-30 with mlflow 3.17.2, dspy 3.4.1, CPython 3.11.
# Expected: a program that is logged with task="llm/v1/chat" may return "a list of dicts or dspy.Prediction", as MLflow's
#           error for other types says: a choice for each, as an answer to `n=2` has.
# Seen:     for two dicts there are two choices with index 0, each with the JSON of both. A list of predictions raises
#           AttributeError: the list is asked for `toDict`, and not its element.
#
# Output seen:
#   one dict: ['{"role": "assistant", "content": "Rome"}']
#   two dicts, choice 0: [{"role": "assistant", "content": "Rome"}, {"role": "assistant", "content": "Oslo"}]
#   two dicts, choice 0: [{"role": "assistant", "content": "Rome"}, {"role": "assistant", "content": "Oslo"}]
#   two predictions: AttributeError: 'list' object has no attribute 'toDict'
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

import dspy
import mlflow

ROME, OSLO = ({"role": "assistant", "content": city} for city in ("Rome", "Oslo"))


class Cities(dspy.Module):
    """Stands in for a program that asks for several completions."""

    def __init__(self, answers):
        super().__init__()
        self.answers = answers

    def forward(self, messages):
        return self.answers


def served(name, answers):
    """The choices with which a served model answers."""
    mlflow.dspy.save_model(Cities(answers), name, task="llm/v1/chat", pip_requirements=[])
    model = mlflow.pyfunc.load_model(name)
    return model.predict({"messages": [{"role": "user", "content": "Two capitals?"}]})["choices"]


one = [choice["message"]["content"] for choice in served("one", ROME)]
print(f"one dict: {one}")
assert one == [json.dumps(ROME)]

two = [(choice["index"], choice["message"]["content"]) for choice in served("two", [ROME, OSLO])]
for index, content in two:
    print(f"two dicts, choice {index}: {content}")
assert two == [(0, json.dumps([ROME, OSLO]))] * 2

try:
    served("predictions", [dspy.Prediction(answer="Rome"), dspy.Prediction(answer="Oslo")])
except AttributeError as error:
    seen = f"{type(error).__name__}: {error}"
print(f"two predictions: {seen}")
assert seen == "AttributeError: 'list' object has no attribute 'toDict'"
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
