"""Load the program that the tutorial optimized back from MLflow, and ask it something.

`python load_optimized.py [RUN_ID]`: the run's page in MLflow shows its id; without one, the newest optimization is
taken. The environment is the one of tutorial.py.
"""

import os
import sys
from typing import Any, cast

import dspy as typed_dspy
import mlflow
from mlflow.artifacts import download_artifacts

dspy = cast("Any", typed_dspy)  # DSPy is typed only in part

mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000"))

if len(sys.argv) > 1:
    run_id = sys.argv[1]
else:
    [newest] = mlflow.MlflowClient().search_runs(
        [mlflow.set_experiment("DSPy-Optimization").experiment_id],
        filter_string="tags.`dspy.optimizer.name` = 'MIPROv2' and attributes.status = 'FINISHED'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    run_id = newest.info.run_id

program = dspy.ChainOfThought("question -> answer")
program.load(download_artifacts(f"runs:/{run_id}/best_model.json"))

lm = dspy.LM(os.environ.get("TUTORIAL_MODEL", "openai/gpt-4o-mini"), api_base=os.environ.get("TUTORIAL_API_BASE"))
with dspy.context(lm=lm):
    answer = program(question="Ana has 12 apples and gets 30 more. How many apples does Ana have now?").answer

predictor = program.predictors()[0]
print(f"Run {run_id}: {len(predictor.demos)} examples, instruction: {predictor.signature.instructions}")
print(f"Answer: {answer}")
