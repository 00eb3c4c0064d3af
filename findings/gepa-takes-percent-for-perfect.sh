#!/usr/bin/env bash
# gepa: with scores in percent nothing is ever proposed: half right counts as perfect.
#
# Seen on 2026-11-28 with gepa 0.1.4, CPython 3.11.
# Expected: an adapter may return any float, higher is better; candidates are proposed while there is something to
#           gain.
# Seen:     perfect_score is 1.0 and skip_perfect_score is on by default: every score of 1.0 or more counts as
#           perfect. With 50.0 of 100 the whole budget is spent on evaluating the seed, and the reflection model is
#           not called once. Only a log line per iteration tells of it.
#
# Output seen:
#   scores of 50.0 (of 100): 30 metric calls, 0 proposals, 1 candidate
#   scores of 0.5 (of 1):    33 metric calls, some proposals
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
    propose_new_texts = None

    def __init__(self, score):
        self.score = score

    def evaluate(self, batch, candidate, capture_traces=False):
        traces = [None] * len(batch) if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=[self.score] * len(batch), trajectories=traces)

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        return {name: [{"Inputs": "1+1", "Generated Outputs": "3", "Feedback": "wrong"}] for name in components_to_update}


def search(score):
    proposals = []

    def reflect(prompt):
        proposals.append(prompt)
        return f"```\nAdd the numbers, attempt {len(proposals)}.\n```"

    found = gepa.optimize(
        seed_candidate={"prompt": "Add."}, trainset=["a", "b", "c"], valset=["a", "b", "c"], adapter=Adapter(score),
        reflection_lm=reflect, max_metric_calls=30, logger=type("Quiet", (), {"log": lambda *_: None})(),
    )
    return found.total_metric_calls, len(proposals), len(found.candidates)


calls, proposals, candidates = search(50.0)
print(f"scores of 50.0 (of 100): {calls} metric calls, {proposals} proposals, {candidates} candidate")
assert (proposals, candidates) == (0, 1)
calls, proposals, _ = search(0.5)
print(f"scores of 0.5 (of 1):    {calls} metric calls, {'some' if proposals else 'no'} proposals")
assert proposals
PYTHON
