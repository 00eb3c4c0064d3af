#!/usr/bin/env bash
# gepa: with cache_evaluation=True scores of training examples count as scores of validation examples.
#
# Seen on 2026-11-30 with gepa 0.1.4, CPython 3.11.
# Expected: "If True and a cache entry exists, GEPA will skip the fitness evaluation and use the cached results. This
#           helps avoid redundant evaluations": the same scores and the same winner as without it, with fewer calls.
# Seen:     an entry is found by the candidate and the example's id, and ids are positions: training example 0 and
#           validation example 0 are one. A proposal that was evaluated on a minibatch keeps these scores in its
#           validation, which evaluates the other positions only. A candidate that knows the training set by heart wins
#           over the one that validates better, with a score that it has never reached.
#
# Output seen:
#   cache_evaluation=False: validation scores 0.25 0.25, best candidate 'Add.', 8 validation examples evaluated
#   cache_evaluation=True: validation scores 0.25 0.8125, best candidate 'By heart.', 5 validation examples evaluated
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gepa==0.1.4
cd "$folder"
cat >finding.py <<'PYTHON'
import gepa
from gepa.core.adapter import EvaluationBatch

TRAINING = [f"training {number}" for number in range(4)]
VALIDATION = [f"validation {number}" for number in range(4)]


class Adapter:
    propose_new_texts = None

    def __init__(self):
        self.evaluated = []

    def evaluate(self, batch, candidate, capture_traces=False):
        """What is known by heart is right for training examples; anything else is right for a quarter."""
        self.evaluated += batch
        known = set(TRAINING) if candidate["prompt"] == "By heart." else set()
        scores = [1.0 if example in known else 0.25 for example in batch]
        traces = list(batch) if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=scores, trajectories=traces)

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        return {name: [{"Inputs": "1+1", "Generated Outputs": "3"}] for name in components_to_update}


def optimize(cache_evaluation):
    adapter = Adapter()
    result = gepa.optimize(
        seed_candidate={"prompt": "Add."}, trainset=TRAINING, valset=VALIDATION, adapter=adapter,
        reflection_lm=lambda prompt: "```\nBy heart.\n```", reflection_minibatch_size=3, max_metric_calls=11,
        cache_evaluation=cache_evaluation, logger=type("Quiet", (), {"log": lambda *_: None})(),
    )
    evaluated = sum(example in VALIDATION for example in adapter.evaluated)
    print(
        f"cache_evaluation={cache_evaluation}: validation scores {' '.join(map(str, result.val_aggregate_scores))},"
        f" best candidate {result.best_candidate['prompt']!r}, {evaluated} validation examples evaluated"
    )
    return result.val_aggregate_scores, result.best_candidate["prompt"], evaluated


assert optimize(cache_evaluation=False) == ([0.25, 0.25], "Add.", 8)
assert optimize(cache_evaluation=True) == ([0.25, 0.8125], "By heart.", 5)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
