#!/usr/bin/env bash
# autoevals: `ValidJSON(schema=...)` scores 1 for JSON that does not match the schema, also in the example of its
#           documentation.
#
# Seen on 2026-12-01 with autoevals 0.4.1, CPython 3.11.
# Expected: the score is 0 for an output that lacks a required field or has another type in it: "schema: Optional JSON
#           Schema to validate against", "1 if valid JSON (and matches schema if provided), 0 otherwise".
# Seen:     the constructor keeps the schema and nothing reads it: any object is valid. Where the scorer is used with an
#           expected answer, as by Braintrust's `Eval`, that answer is taken for the schema: an expected object is one
#           whose keywords mean nothing, so that all is valid.
#
# Output seen:
#   {"name": "Ada", "age": 36}: 1
#   {"name": "Ada", "age": "unknown"}: 1
#   {"error": "I cannot answer that."}: 1
#   {"error": "I cannot answer that."} beside an expected answer: 1
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check autoevals==0.4.1
cd "$folder"
cat >finding.py <<'PYTHON'
import json

from autoevals import ValidJSON
from jsonschema import ValidationError, validate

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "number"}},
    "required": ["name", "age"],
}
OUTPUTS = (
    '{"name": "Ada", "age": 36}',
    '{"name": "Ada", "age": "unknown"}',
    '{"error": "I cannot answer that."}',
)


def matches(output):
    try:
        validate(json.loads(output), SCHEMA)
    except ValidationError:
        return False
    return True


scorer = ValidJSON(schema=SCHEMA)
for output in OUTPUTS:
    score = scorer.eval(output=output).score
    print(f"{output}: {score}")
    assert score == 1
assert list(map(matches, OUTPUTS)) == [True, False, False]
score = scorer.eval(output=OUTPUTS[2], expected={"name": "Ada", "age": 36}).score
print(f"{OUTPUTS[2]} beside an expected answer: {score}")
assert score == 1
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
