#!/usr/bin/env bash
# MLflow: a value that is put into a prompt is itself searched for variables and filled in.
#
# Seen on 2026-11-28 with mlflow 3.17.2, CPython 3.11.
# Expected: PromptVersion.format replaces the template's variables; a user's text is text.
# Seen:     variables are replaced one after the other in the whole text: a question that speaks of {{context}} has
#           the context put into it, and it depends on the order of the arguments whether it has.
#
# Output seen:
#   question first: Question: what does {{context}} mean? became: what does LONG TEXT mean?
#   context first:  Question: what does {{context}} mean? stays
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from mlflow.entities.model_registry import PromptVersion

prompt = PromptVersion("answer", 1, "Context: {{context}}\nQuestion: {{question}}")
asked = "what does {{context}} mean?"
first = prompt.format(question=asked, context="LONG TEXT").splitlines()[-1]
last = prompt.format(context="LONG TEXT", question=asked).splitlines()[-1]
print(f"question first: {first}")
print(f"context first:  {last}")
assert first == "Question: what does LONG TEXT mean?"
assert last == "Question: what does {{context}} mean?"
PYTHON
