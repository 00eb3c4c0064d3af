#!/usr/bin/env bash
# MLflow: the digest of an evaluation dataset is that of its name and of the time of its last merge.
#
# Seen on 2026-11-30 with mlflow 3.17.2, CPython 3.11.
# Expected: the digest of a dataset is one of its records, as that of each other kind of dataset: two runs with one digest
#           have seen the same records, and runs that have seen the same records have one digest.
# Seen:     `delete_records` keeps the digest: a run on what is left names the dataset of the run before, with the number
#           of records that it had. `merge_records` with the records that are there already, which changes none of them,
#           gives a new one each time.
#
# Output seen:
#   4 records: the run's dataset is the first one, with {"num_records": 4}
#   1 record, 3 deleted: the run's dataset is the first one, with {"num_records": 4}
#   4 records, 3 merged again: the run's dataset is another one, with {"num_records": 4}
#   4 records, the same merged again: the run's dataset is another one, with {"num_records": 4}
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
import time

import mlflow
from mlflow.genai.datasets import create_dataset, get_dataset

mlflow.set_tracking_uri("sqlite:///mlflow.db")
dataset = create_dataset(name="sums", experiment_id="0")
digests = []


def merge():
    time.sleep(0.1)  # the digest's time is in milliseconds
    dataset.merge_records([{"inputs": {"question": f"{n}+1"}, "expectations": {"answer": n + 1}} for n in range(4)])


def run(title, records):
    """Log the dataset to a new run; show what the run has."""
    found = get_dataset(dataset_id=dataset.dataset_id)
    assert len(found.to_df()) == records
    with mlflow.start_run() as run:
        mlflow.log_input(found)
    (entry,) = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    digests.append(entry.dataset.digest)
    which = "the first one" if digests[-1] == digests[0] else "another one"
    print(f"{title}: the run's dataset is {which}, with {entry.dataset.profile}")
    assert entry.dataset.profile == '{"num_records": 4}'


merge()
run("4 records", 4)
dataset.delete_records(list(dataset.to_df()["dataset_record_id"])[:3])
run("1 record, 3 deleted", 1)
merge()
run("4 records, 3 merged again", 4)
merge()
run("4 records, the same merged again", 4)
assert digests[0] == digests[1]
assert len(set(digests)) == 3
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
