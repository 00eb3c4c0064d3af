#!/usr/bin/env bash
# MLflow: mlflow.dspy.autolog(disable=True) replaces functions of DSPy, also where autologging was never on.
#
# Seen on 2026-11-28 with mlflow 3.17.2 and dspy 3.4.1, CPython 3.11.
# Expected: after disable=True, Evaluate.__call__ and the optimizers' compile are DSPy's own, as in a process that never
#           called autolog.
# Seen:     autolog reverts its patches, then applies them again whatever `disable` says (mlflow/dspy/autolog.py). They
#           do nothing while it is off, but stay in each call's stack, and a wrapper that another tool puts around such a
#           function goes away with the next call of autolog.
#
# Output seen:
#   functions of DSPy that are MLflow's, in a new process: 0
#   after mlflow.dspy.autolog(disable=True): 14
#   a wrapper put around Evaluate.__call__ is there: True
#   after another mlflow.dspy.autolog(disable=True): False
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
import functools

import dspy
import mlflow
from dspy.teleprompt import Teleprompter

classes = [(cls, "compile") for cls in Teleprompter.__subclasses__()] + [(dspy.Evaluate, "__call__")]


def replaced():
    return sum(getattr(cls, name).__code__.co_filename.startswith(mlflow.__path__[0]) for cls, name in classes)


print(f"functions of DSPy that are MLflow's, in a new process: {(before := replaced())}")
mlflow.dspy.autolog(disable=True)
print(f"after mlflow.dspy.autolog(disable=True): {(after := replaced())}")
present = dspy.Evaluate.__call__


@functools.wraps(present)
def wrapper(*args, **kwargs):
    return present(*args, **kwargs)


dspy.Evaluate.__call__ = wrapper
print(f"a wrapper put around Evaluate.__call__ is there: {dspy.Evaluate.__call__ is wrapper}")
mlflow.dspy.autolog(disable=True)
print(f"after another mlflow.dspy.autolog(disable=True): {dspy.Evaluate.__call__ is wrapper}")
assert before == 0
assert after == len(classes)
assert dspy.Evaluate.__call__ is not wrapper
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
