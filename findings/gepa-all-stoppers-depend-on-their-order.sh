#!/usr/bin/env bash
# gepa: CompositeStopper(mode="all") stops earlier or later with the same stoppers in another order.
#
# Seen on 2026-11-29 with gepa 0.1.4, CPython 3.11.
# Expected: "at least 10 proposals, and 10 iterations without improvement": with a score that never improves that is after
#           10 iterations, in whichever order the two conditions are given.
# Seen:     the second stopper is asked only once the first one agrees. NoImprovementStopper counts the calls that it
#           gets, so behind another stopper it begins to count when that one is done: twice the proposals, each with a
#           call of the reflection model and evaluations.
#
# Output seen:
#   no improvement first, then proposals: 10 proposals
#   proposals first, then no improvement: 20 proposals
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
from gepa.utils.stop_condition import CompositeStopper, MaxCandidateProposalsStopper, NoImprovementStopper


class Adapter:
    """Every candidate has the same score."""

    propose_new_texts = None

    def evaluate(self, batch, candidate, capture_traces=False):
        traces = [None] * len(batch) if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=[0.5] * len(batch), trajectories=traces)

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        return {name: [{"Inputs": "1+1", "Generated Outputs": "3", "Feedback": "wrong"}] for name in components_to_update}


def proposals(*stoppers):
    asked = []

    def reflect(prompt):
        asked.append(prompt)
        return f"```\nAdd the numbers, attempt {len(asked)}.\n```"

    gepa.optimize(
        seed_candidate={"prompt": "Add."}, trainset=["a", "b", "c"], valset=["a", "b", "c"], adapter=Adapter(),
        reflection_lm=reflect, stop_callbacks=[CompositeStopper(*stoppers, mode="all")],
        logger=type("Quiet", (), {"log": lambda *_: None})(),
    )
    return len(asked)


first = proposals(NoImprovementStopper(10), MaxCandidateProposalsStopper(10))
print(f"no improvement first, then proposals: {first} proposals")
second = proposals(MaxCandidateProposalsStopper(10), NoImprovementStopper(10))
print(f"proposals first, then no improvement: {second} proposals")
assert (first, second) == (10, 20)
PYTHON
