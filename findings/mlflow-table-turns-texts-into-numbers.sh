#!/usr/bin/env bash
# MLflow: `load_table` returns the text "02108" as the number 2108, and a second `log_table` to a table stores it so.
#
# Seen on 2026-11-30 with mlflow 3.17.2, CPython 3.11.
# Expected: `load_table` returns the values that `log_table` was given; a table that is logged in several parts has the
#           values of each part.
# Seen:     the artifact has the texts, and is read with `pandas.read_json`, which converts a column of texts that all
#           look like numbers: zip codes lose their zero, "1.10" and "1.1" are one version, "3e2" is 300. Compared with
#           the labels all these answers are wrong. `log_table` reads the stored part in the same way, and writes it
#           back: after the second call the artifact itself has the numbers, and the texts are lost. One text that is
#           no number, as "unknown", keeps the whole column as it is.
#
# Output seen:
#   logged once, stored: ["02108", "1.10", "3e2"]
#   logged once, loaded: [2108.0, 1.1, 300.0]
#   logged twice, stored: [2108.0, 1.1, 300.0, "07030"]
#   with a text among them, logged twice, stored: ["02108", "1.10", "unknown", "07030"]
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
import json

import mlflow

mlflow.set_tracking_uri("sqlite:///mlflow.db")


def stored(run):
    """Return the answers in the artifact."""
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/answers.json")
    return [answer for (answer,) in table["data"]]


def show(title, answers):
    print(f"{title}: {json.dumps(answers)}")
    return answers


def logged(answers):
    with mlflow.start_run() as run:
        mlflow.log_table({"answer": answers}, "answers.json")
    return run


def more(run):
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_table({"answer": ["07030"]}, "answers.json")


run = logged(["02108", "1.10", "3e2"])
assert show("logged once, stored", stored(run)) == ["02108", "1.10", "3e2"]
loaded = mlflow.load_table("answers.json", run_ids=[run.info.run_id])
assert show("logged once, loaded", list(loaded["answer"])) == [2108, 1.1, 300]
more(run)
assert show("logged twice, stored", stored(run)) == [2108, 1.1, 300, "07030"]
run = logged(["02108", "1.10", "unknown"])
more(run)
assert show("with a text among them, logged twice, stored", stored(run)) == ["02108", "1.10", "unknown", "07030"]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
