#!/usr/bin/env bash
# MLflow: with mlflow.dspy.autolog(log_compiles=True) the best_model.json of InferRules is a program without its rules.
#
# Seen on 2026-11-28 with mlflow 3.17.2 and dspy 3.4.1, CPython 3.11.
# Expected: best_model.json of an optimizer's run is the program that compile returned.
# Seen:     autolog patches `compile` of the direct subclasses of Teleprompter (mlflow/dspy/autolog.py). InferRules derives
#           from BootstrapFewShot and calls its compile first: that inner call is the run. It ends before a rule is
#           induced, and its program has the instructions of the start.
#
# Output seen:
#   BootstrapFewShot: runs 1, best_model.json has the returned instructions: True
#   InferRules: runs 1, best_model.json has the returned instructions: False
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 dspy==3.4.1
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io

import dspy
import mlflow
from dspy.utils import DummyLM

mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
mlflow.dspy.autolog(log_compiles=True)
answers = {"answer": "yes", "reasoning": "none", "natural_language_rules": "Say yes."}
trainset = [dspy.Example(question=f"question {n}", answer="yes").with_inputs("question") for n in range(4)]


def exact(example, prediction, trace=None):
    return example.answer == prediction.answer


def logged(optimizer):
    name = type(optimizer).__name__
    experiment = mlflow.set_experiment(name)
    with dspy.context(lm=DummyLM([answers] * 200)), contextlib.redirect_stdout(io.StringIO()):
        program = optimizer.compile(dspy.Predict("question -> answer"), trainset=trainset)
    runs = mlflow.search_runs([experiment.experiment_id], output_format="list")
    best = mlflow.artifacts.load_dict(f"runs:/{runs[0].info.run_id}/best_model.json")
    same = best["signature"]["instructions"] == program.signature.instructions
    print(f"{name}: runs {len(runs)}, best_model.json has the returned instructions: {same}")
    return len(runs), same


assert logged(dspy.BootstrapFewShot(metric=exact)) == (1, True)
assert logged(dspy.InferRules(metric=exact, num_candidates=2, num_rules=1, num_threads=1)) == (1, False)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
