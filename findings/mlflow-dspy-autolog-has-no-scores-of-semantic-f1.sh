#!/usr/bin/env bash
# MLflow: DSPy's autologging logs the scores of a metric to the traces if it is a function, and none of SemanticF1.
#
# Seen on 2026-11-29 with mlflow 3.17.2, dspy 3.4.1, CPython 3.11.
# Expected: the score of each example is an assessment of its trace, whichever metric dspy.Evaluate is given.
# Seen:     the assessment is named after metric.__name__, which DSPy's own metrics SemanticF1 and CompleteAndGrounded
#           do not have, nor any other object or functools.partial. The AttributeError is logged at level DEBUG: the
#           evaluation has its score, and its traces have none. Traces are logged synchronously here: otherwise the
#           score of a function can come before its trace, and is lost as well.
#
# Output seen:
#   function: score 100.0, 2 of 2 scores in traces
#   SemanticF1: score 100.0, 0 of 2 scores in traces
#   partial: score 100.0, 0 of 2 scores in traces
#   object: score 100.0, 0 of 2 scores in traces
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 dspy==3.4.1
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
export MLFLOW_ENABLE_ASYNC_TRACE_LOGGING=false
cat >finding.py <<'PYTHON'
import collections
import functools

import dspy
import mlflow
from dspy.evaluate import SemanticF1
from dspy.utils import DummyLM


class Program(dspy.Module):
    """Asks no model."""

    def forward(self, question):
        return dspy.Prediction(response="yes", answer="yes")


def exact(example, prediction, trace=None):
    return example.answer == prediction.answer


class Exact:
    def __call__(self, example, prediction, trace=None):
        return exact(example, prediction)


mlflow.set_tracking_uri("sqlite:///mlflow.db")
experiment = mlflow.set_experiment("finding")
mlflow.dspy.autolog()
dspy.configure(lm=DummyLM([{"reasoning": "the same", "recall": "1.0", "precision": "1.0"}] * 10))
examples = [
    dspy.Example(question=f"question {number}", response="yes", answer="yes").with_inputs("question")
    for number in range(2)
]
metrics = {
    "function": exact,
    "SemanticF1": SemanticF1(),
    "partial": functools.partial(dspy.evaluate.answer_exact_match, frac=0.9),
    "object": Exact(),
}
seen = {}
for name, metric in metrics.items():
    score = dspy.Evaluate(devset=examples, metric=metric, num_threads=1)(Program()).score
    mlflow.flush_trace_async_logging()
    traces = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
    recorded = sum(len(trace.info.assessments) for trace in traces) - sum(count for _, count in seen.values())
    seen[name] = (score, recorded)
    print(f"{name}: score {score}, {recorded} of {len(examples)} scores in traces")
assert seen == {"function": (100.0, 2), "SemanticF1": (100.0, 0), "partial": (100.0, 0), "object": (100.0, 0)}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
