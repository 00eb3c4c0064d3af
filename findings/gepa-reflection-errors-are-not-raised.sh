#!/usr/bin/env bash
# gepa: an optimization whose reflection model fails at each call spends its budget and returns the given prompt.
#
# Seen on 2026-12-01 with gepa 0.1.4, CPython 3.11.
# Expected: raise_on_exception=True, the default: "Whether to propagate proposer/evaluator exceptions instead of stopping
#           gracefully". With a wrong key for the reflection model the first call raises, as an evaluator's does.
# Seen:     the error is a line of the log. The model is called once more for the same proposal, nothing is proposed, and
#           the next iteration evaluates the given prompt on the next minibatch, until the whole budget is spent on it.
#           The result is the given prompt with its score, as after a search that found nothing better. `on_error` of a
#           callback is not called, and the value of raise_on_exception makes no difference. An adapter that raises in
#           make_reflective_dataset ends in the same way.
#
# Output seen:
#   evaluator that raises: PermissionError
#   reflection model that raises: returned 'Add.' after 102 metric calls, 66 calls of the reflection model, errors in on_error []
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gepa==0.1.4
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import gepa
from gepa.core.adapter import EvaluationBatch

asked, errors = [], []


class Adapter:
    """Every candidate has the same score."""

    propose_new_texts = None

    def __init__(self, error=None):
        self.error = error

    def evaluate(self, batch, candidate, capture_traces=False):
        if self.error and capture_traces:
            raise self.error
        traces = [None] * len(batch) if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=[0.5] * len(batch), trajectories=traces)

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        return {name: [{"Inputs": "1+1", "Generated Outputs": "3", "Feedback": "wrong"}] for name in components_to_update}


class Errors:
    def on_error(self, event):
        errors.append(event["exception"])


def reflect(prompt):
    asked.append(prompt)
    raise PermissionError("401: the key is not valid")


def optimize(adapter):
    return gepa.optimize(
        seed_candidate={"prompt": "Add."}, trainset=["a", "b", "c"], valset=["a", "b", "c"], adapter=adapter,
        reflection_lm=reflect, max_metric_calls=100, raise_on_exception=True, callbacks=[Errors()],
        logger=type("Quiet", (), {"log": lambda *_: None})(),
    )


try:
    optimize(Adapter(PermissionError("401: the key is not valid")))
    raise SystemExit("no error of the evaluator was raised")
except PermissionError as error:
    print(f"evaluator that raises: {type(error).__name__}")
errors.clear()
result = optimize(Adapter())
print(
    f"reflection model that raises: returned {result.best_candidate['prompt']!r} after {result.total_metric_calls} metric "
    f"calls, {len(asked)} calls of the reflection model, errors in on_error {errors}"
)
assert (result.best_candidate, result.total_metric_calls, len(asked), errors) == ({"prompt": "Add."}, 102, 66, [])
PYTHON
