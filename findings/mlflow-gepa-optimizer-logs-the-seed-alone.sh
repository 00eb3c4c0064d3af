#!/usr/bin/env bash
# MLflow: GepaPromptOptimizer logs the given prompt alone: accepted candidates have no `eval_score` and no artifact.
#
# Seen on 2026-11-30 with mlflow 3.17.2 and gepa 0.1.4, CPython 3.11.
# Expected: MLflow logs each candidate that is validated: the metric `eval_score` by step, "for time progression
#           visualization", and the prompts with their rows and scores below `prompt_candidates`.
# Seen:     MLflow takes an evaluation for a validation if gepa asks for no traces and it has as many rows as the training
#           set. gepa 0.1.4 asks for traces in each validation after the first one: the curve has one point, and answers
#           and scores of the accepted candidates, row by row, are not in the run. With a `valset` of another size in
#           `gepa_kwargs` those of the given prompt are not either. No line in the log mentions it. The texts of the
#           candidates are in `candidates.json`, which gepa logs itself.
#
# Output seen:
#   4 rows, which are the validation set too
#     best prompt: 2. Answer {{review}}, score 0.90
#     logged: eval_score [0.2], 1 of 3 candidates
#   4 rows, and 2 others as valset
#     best prompt: 2. Answer {{review}}, score 0.90
#     logged: eval_score [], 0 of 3 candidates
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 gepa==0.1.4
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
cat >finding.py <<'PYTHON'
import contextlib
import io
import itertools
import logging

import mlflow
from mlflow.genai.optimize.optimizers import GepaPromptOptimizer
from mlflow.genai.scorers import scorer

QUALITY = {"Answer {{review}}": 0.2, "1. Answer {{review}}": 0.5, "2. Answer {{review}}": 0.9}


@scorer
def quality(outputs):
    return outputs


def predict(review):
    """The better the prompt, the better the answer."""
    prompt.format(review=review)
    return QUALITY[mlflow.genai.load_prompt("prompts:/answer/1").template]


def rows(name, count):
    return [{"inputs": {"review": f"{name} {number}"}, "expectations": {}} for number in range(count)]


def optimize(**gepa_kwargs):
    """Values of `eval_score`, number of logged candidates, and final score; two proposals are accepted."""
    numbers = itertools.count(1)

    def propose(candidate, reflective_dataset, components):
        return {name: f"{min(next(numbers), 2)}. Answer {{{{review}}}}" for name in components}

    with mlflow.start_run() as run, contextlib.redirect_stdout(io.StringIO()):
        optimizer = GepaPromptOptimizer(
            "openai:/unused",
            max_metric_calls=22,
            gepa_kwargs={"custom_candidate_proposer": propose, **gepa_kwargs},
        )
        result = mlflow.genai.optimize_prompts(
            predict_fn=predict,
            train_data=rows("training", 4),
            prompt_uris=[prompt.uri],
            optimizer=optimizer,
            scorers=[quality],
        )
    client = mlflow.MlflowClient()
    scores = [round(metric.value, 2) for metric in client.get_metric_history(run.info.run_id, "eval_score")]
    candidates = [found.path for found in client.list_artifacts(run.info.run_id, "prompt_candidates")]
    print(f"  best prompt: {result.optimized_prompts[0].template}, score {result.final_eval_score:.2f}")
    print(f"  logged: eval_score {scores}, {len(candidates)} of 3 candidates")
    return scores, len(candidates), round(result.final_eval_score, 2)


for name in ("gepa", "mlflow", "alembic"):
    logging.getLogger(name).setLevel(logging.ERROR)
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
prompt = mlflow.genai.register_prompt(name="answer", template="Answer {{review}}")
print("4 rows, which are the validation set too")
assert optimize() == ([0.2], 1, 0.9)
print("4 rows, and 2 others as valset")
assert optimize(valset=rows("validation", 2)) == ([], 0, 0.9)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
