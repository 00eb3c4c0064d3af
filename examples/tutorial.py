"""Track a DSPy optimizer with MLflow: MLflow's own tutorial, with one line changed.

Start a server first, in another terminal: mlflow server --backend-store-uri sqlite:///mydb.sqlite
The environment may name MLFLOW_TRACKING_URI (default http://127.0.0.1:5000), TUTORIAL_MODEL (default
openai/gpt-4o-mini), OPENAI_API_KEY, and TUTORIAL_API_BASE for a model that is served elsewhere.
"""

import json
import os
from pathlib import Path
from typing import Any, cast

import dspy as typed_dspy
import mlflow

import otel_dspy
import otel_dspy.mlflow

dspy = cast("Any", typed_dspy)  # DSPy is typed only in part

# The line that changed: it was mlflow.dspy.autolog(...).
otel_dspy.mlflow.autolog(log_compiles=True, log_evals=True, log_traces_from_compile=True)

mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000"))
# MLflow's own client would try an address where nothing listens for minutes, without a message.
diagnosis = otel_dspy.doctor()
if not diagnosis.works:
    raise SystemExit(str(diagnosis))
mlflow.set_experiment("DSPy-Optimization")

lm = dspy.LM(os.environ.get("TUTORIAL_MODEL", "openai/gpt-4o-mini"), api_base=os.environ.get("TUTORIAL_API_BASE"))
dspy.configure(lm=lm)

rows = json.loads(Path(__file__).with_name("math_questions.json").read_text(encoding="utf-8"))
examples = [dspy.Example(**row).with_inputs("question") for row in rows]
trainset, devset = examples[:30], examples[30:]


def exact_match(example: Any, prediction: Any, trace: object = None) -> bool:  # noqa: ANN401 - untyped DSPy objects
    """Score an answer that is the expected one to the letter."""
    del trace
    return bool(example.answer == prediction.answer.strip())


evaluate = dspy.Evaluate(devset=devset, metric=exact_match, num_threads=4)
solver = dspy.ChainOfThought("question -> answer")
before = evaluate(solver).score

optimizer = dspy.MIPROv2(metric=exact_match, auto="light", num_threads=4)
optimized = optimizer.compile(solver, trainset=trainset)
after = evaluate(optimized).score

print(f"Right answers on {len(devset)} new questions: {before:.0f} % before, {after:.0f} % after.")
print(f"Open {mlflow.get_tracking_uri()} to look at the runs, or load the best program: examples/load_optimized.py")
