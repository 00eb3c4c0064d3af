#!/usr/bin/env bash
# gepa: the default adapter's evaluator takes 42 for 4: it looks for the answer anywhere in the response.
#
# Seen on 2026-11-28 with gepa 0.1.4, CPython 3.11.
# Expected: a response that gives another number than the expected one scores 0.
# Seen:     score 1.0, and feedback that calls it correct, which the reflection model then learns from.
#
# Output seen:
#   expected 4, response 'The answer is 42.': score 1.0
#   expected 4, response 'It is not 4, it is 5.': score 1.0
#   expected 4, response 'four': score 0.0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gepa==0.1.4
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from gepa.adapters.default_adapter.default_adapter import ContainsAnswerEvaluator

evaluate = ContainsAnswerEvaluator()
scores = []
for response in ("The answer is 42.", "It is not 4, it is 5.", "four"):
    result = evaluate({"input": "2+2?", "answer": "4", "additional_context": {}}, response)
    scores.append(result.score)
    print(f"expected 4, response {response!r}: score {result.score}")
assert scores == [1.0, 1.0, 0.0]
PYTHON
