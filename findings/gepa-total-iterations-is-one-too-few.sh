#!/usr/bin/env bash
# gepa: `total_iterations` is one less than the number of iterations, and -1 where there was none.
#
# Seen on 2026-12-01 with gepa 0.1.4, CPython 3.11.
# Expected: after five iterations, which the log and all other events number 1 to 5, `on_optimization_end` has
#           total_iterations 5.
# Seen:     it has 4: the index of the last one, which counts from 0, while `iteration` in each other event counts from
#           1. An optimization whose budget the first evaluation uses up has -1. With use_mlflow or use_wandb that is
#           also the number `total_iterations` of the run. Calls or costs for each iteration that are computed with it
#           are too high, by a quarter here, and infinite after the first one.
#
# Output seen:
#   5 iterations, the last with the number 5: total_iterations 4
#   1 iterations, the last with the number 1: total_iterations 0
#   0 iterations: total_iterations -1
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


class Adapter:
    """Every candidate has the same score."""

    propose_new_texts = None

    def evaluate(self, batch, candidate, capture_traces=False):
        traces = [None] * len(batch) if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=[0.5] * len(batch), trajectories=traces)

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        return {name: [{"Inputs": "1+1", "Generated Outputs": "3", "Feedback": "wrong"}] for name in components_to_update}


class Iterations:
    def __init__(self):
        self.numbers, self.total = [], None

    def on_iteration_end(self, event):
        self.numbers.append(event["iteration"])

    def on_optimization_end(self, event):
        self.total = event["total_iterations"]


def optimize(max_metric_calls):
    """Return the numbers of the iterations, and `total_iterations`. An iteration has six metric calls, the seed three."""
    seen = Iterations()
    gepa.optimize(
        seed_candidate={"prompt": "Add."}, trainset=["a", "b", "c"], valset=["a", "b", "c"], adapter=Adapter(),
        reflection_lm=lambda prompt: "```\nAdd the numbers.\n```", max_metric_calls=max_metric_calls, callbacks=[seen],
        logger=type("Quiet", (), {"log": lambda *_: None})(),
    )
    last = f", the last with the number {seen.numbers[-1]}" if seen.numbers else ""
    print(f"{len(seen.numbers)} iterations{last}: total_iterations {seen.total}")
    return seen.numbers, seen.total


assert optimize(33) == ([1, 2, 3, 4, 5], 4)
assert optimize(9) == ([1], 0)
assert optimize(3) == ([], -1)
PYTHON
