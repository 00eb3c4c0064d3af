#!/usr/bin/env bash
# MLflow: what is filled into a prompt is itself filled in: a question about {{context}} reaches the model rewritten.
#
# Seen on 2026-11-28 with mlflow 3.17.2, CPython 3.11.
# Expected: each variable of the template is replaced by its value, and the value is left as it is.
# Seen:     the variables are replaced one after another in the whole text, values included. A value that has the name of
#           a variable in double braces is changed, in text and in chat prompts, where the other variable comes later
#           among the arguments; with the arguments in the other order it is not. Traces show the changed question.
#
# Output seen:
#   question first: 'In Jinja, what does Ada do?'
#   name first:     'In Jinja, what does {{name}} do?'
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
from mlflow.entities.model_registry import PromptVersion

prompt = PromptVersion(name="help", version=1, template="For {{name}}: {{question}}")
question = "In Jinja, what does {{name}} do?"
first = prompt.format(question=question, name="Ada").removeprefix("For Ada: ")
second = prompt.format(name="Ada", question=question).removeprefix("For Ada: ")
print(f"question first: {first!r}")
print(f"name first:     {second!r}")
assert (first, second) == ("In Jinja, what does Ada do?", question)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
