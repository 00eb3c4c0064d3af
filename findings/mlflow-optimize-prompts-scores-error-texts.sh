#!/usr/bin/env bash
# MLflow: where the program raises, mlflow.genai.optimize_prompts gives the scorers the error's text as the answer.
#
# Seen on 2026-11-29 with mlflow 3.17.2, CPython 3.11.
# Expected: two of three predictions raise: the prompt scores 1/3 at most, as in mlflow.genai.evaluate, whose scorers get
#           None for these rows.
# Seen:     the output of a row that failed is the text "Failed to invoke the predict_fn with {its inputs}: {the error}".
#           It is not empty, and it has every word of the inputs: scorers that look for the expected label, for a
#           citation of the question or for any answer accept it. A prompt whose calls fail has the full score, no line is
#           logged, and the optimizer chooses and reflects by these scores.
#
# Output seen:
#   predictions that raised: 2 of 3
#   output of the second row: Failed to invoke the predict_fn with {'review': 'Awful.', 'labels': 'positive or negative'}: the model is down
#   scores of the second row: {'answered': 1.0, 'has_the_label': 1.0}
#   score of the prompt: 1.0
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
from mlflow.genai.optimize.optimizers import BasePromptOptimizer
from mlflow.genai.optimize.types import PromptOptimizerOutput
from mlflow.genai.scorers import scorer

LABELS = "positive or negative"
failed, rows = [], []


class Baseline(BasePromptOptimizer):
    """Evaluates the given prompts and returns them."""

    def optimize(self, eval_fn, train_data, target_prompts, enable_tracking=True):
        rows.extend(eval_fn(target_prompts, train_data))
        score = sum(row.score for row in rows) / len(rows)
        return PromptOptimizerOutput(optimized_prompts=target_prompts, initial_eval_score=score, final_eval_score=score)


@scorer
def has_the_label(outputs, expectations):
    return expectations["label"] in outputs


@scorer
def answered(outputs):
    return bool(outputs)


def predict(review, labels):
    prompt.format(review=review, labels=labels)
    if review != "Great!":
        failed.append(review)
        raise RuntimeError("the model is down")
    return "positive"


mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
prompt = mlflow.genai.register_prompt(name="classify", template="Is it {{labels}}? {{review}}")
data = [
    {"inputs": {"review": review, "labels": LABELS}, "expectations": {"label": label}}
    for review, label in (("Great!", "positive"), ("Awful.", "negative"), ("Never again.", "negative"))
]
result = mlflow.genai.optimize_prompts(
    predict_fn=predict,
    train_data=data,
    prompt_uris=[prompt.uri],
    optimizer=Baseline(),
    scorers=[has_the_label, answered],
    enable_tracking=False,
)
scores = dict(sorted(rows[1].individual_scores.items()))
print(f"predictions that raised: {len(failed)} of {len(rows)}")
print(f"output of the second row: {rows[1].outputs}")
print(f"scores of the second row: {scores}")
print(f"score of the prompt: {result.final_eval_score}")
assert sorted(failed) == ["Awful.", "Never again."] and "Awful." in rows[1].outputs
assert scores == {"answered": 1.0, "has_the_label": 1.0} and result.final_eval_score == 1.0
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
