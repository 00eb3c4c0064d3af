#!/usr/bin/env bash
# MLflow: a logged DSPy program has the API key of the configured language model in its artifacts.
#
# Seen on 2026-12-01 with mlflow 3.17.2, dspy 3.4.1, CPython 3.11.
# Expected: `mlflow.dspy.log_model` stores the program. DSPy's own `save` leaves the key of its model out, as does what
#           MLflow's autologging writes, and whoever loads the program brings a key of their own.
# Seen:     DSPy's settings are pickled beside the program, or with it, and in them the language model of `dspy.configure`
#           with its api_key as plain text, in both formats. Whoever can read the artifacts of the run can read it, and
#           a served model goes on with the key of the one who logged it. Nothing is logged about it.
#
# Output seen:
#   program.save: key in []
#   log_model(use_dspy_model_save=False): key in ['model.pkl']
#   log_model(use_dspy_model_save=True): key in ['dspy_config.pkl']
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 dspy==3.4.1
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
cat >finding.py <<'PYTHON'
import pathlib

import dspy
import mlflow

KEY = "not-a-real-key-0123456789"


def with_key(folder):
    """Return the names of the files with the key."""
    return [file.name for file in pathlib.Path(folder).rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]


mlflow.set_tracking_uri("sqlite:///mlflow.db")
lm = dspy.LM("openai/gpt-4.1", api_key=KEY)
dspy.configure(lm=lm)
program = dspy.Predict("question -> answer")
program.lm = lm
pathlib.Path("saved").mkdir()
program.save("saved/program.json")
program.lm = None
saved = with_key("saved")
print(f"program.save: key in {saved}")
logged = []
for save in (False, True):
    info = mlflow.dspy.log_model(program, name="program", use_dspy_model_save=save)
    logged.append(with_key(mlflow.artifacts.download_artifacts(info.model_uri)))
    print(f"log_model(use_dspy_model_save={save}): key in {logged[-1]}")
assert (saved, logged) == ([], [["model.pkl"], ["dspy_config.pkl"]])
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
