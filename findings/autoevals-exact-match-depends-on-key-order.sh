#!/usr/bin/env bash
# autoevals: ExactMatch scores 0 for an object whose keys come in another order, the example of its own documentation.
#
# Seen on 2026-12-01 with autoevals 0.4.1, CPython 3.11.
# Expected: the docstring of autoevals.value compares {"name": "John", "age": 30} with '{"age": 30, "name": "John"}', and
#           gives the score 1.0: "automatically normalized", "Different order but same content".
# Seen:     both are written as JSON in the order of their keys, and the texts are compared. A model that answers with the
#           right values in another order, as most do without a strict schema, scores 0.
#
# Output seen:
#   ExactMatch, the example of the docstring: 0
#   ExactMatch, the same keys in the same order: 1
#   ExactMatch, two dicts that are equal in Python: 0
#   JSONDiff, the example of the docstring: 1.0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check autoevals==0.4.1
cd "$folder"
cat >finding.py <<'PYTHON'
from autoevals import ExactMatch, JSONDiff

answer = {"name": "John", "age": 30}
expected = '{"age": 30, "name": "John"}'
documented = ExactMatch().eval(output=answer, expected=expected).score
print(f"ExactMatch, the example of the docstring: {documented}")
ordered = ExactMatch().eval(output=answer, expected='{"name": "John", "age": 30}').score
print(f"ExactMatch, the same keys in the same order: {ordered}")
other = {"age": 30, "name": "John"}
assert answer == other
dicts = ExactMatch().eval(output=answer, expected=other).score
print(f"ExactMatch, two dicts that are equal in Python: {dicts}")
difference = JSONDiff().eval(output=answer, expected=expected).score
print(f"JSONDiff, the example of the docstring: {difference}")
assert (documented, ordered, dicts, difference) == (0, 1, 0, 1.0)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
