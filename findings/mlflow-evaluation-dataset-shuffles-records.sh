#!/usr/bin/env bash
# MLflow: the records of an evaluation dataset come back in random order, another one in each dataset.
#
# Seen on 2026-11-29 with mlflow 3.17.2, CPython 3.11.
# Expected: to_df() has the records in the order in which merge_records was given them, so that the first ten rows, or a
#           split by position, are the same examples wherever the same list was registered.
# Seen:     records of one merge have the same creation time, and their random ids decide. The same list, registered
#           twice, comes back in two orders; neither is that of the list.
#
# Output seen:
#   given:   0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19
#   first:   20 records, in the order given: False
#   second:  20 records, in the order given: False, in the order of the first: False
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
import mlflow
from mlflow.genai.datasets import create_dataset, get_dataset

mlflow.set_tracking_uri("sqlite:///mlflow.db")
experiment = mlflow.set_experiment("finding")
given = list(range(20))


def registered(name):
    dataset = create_dataset(name=name, experiment_id=[experiment.experiment_id])
    dataset.merge_records([{"inputs": {"number": n}, "expectations": {"double": 2 * n}} for n in given])
    return [inputs["number"] for inputs in get_dataset(name=name).to_df()["inputs"]]


first, second = registered("first"), registered("second")
print("given:  ", *given)
print(f"first:   {len(first)} records, in the order given: {first == given}")
print(f"second:  {len(second)} records, in the order given: {second == given}, in the order of the first: {second == first}")
assert sorted(first) == sorted(second) == given
assert first != given and second != given and first != second
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
