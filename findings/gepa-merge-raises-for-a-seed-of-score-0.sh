#!/usr/bin/env bash
# gepa: with use_merge, which dspy.GEPA has on, an optimization raises at its first merge if the seed scores 0 or less.
#
# Seen on 2026-11-29 with gepa 0.1.4, CPython 3.11.
# Expected: higher scores are better, whatever their range: a metric such as a negative distance, or a seed that solves
#           nothing and is punished for it, gives the same search as the same metric plus a constant.
# Seen:     the merge chooses among the common ancestors of two candidates by random.choices, with their scores as the
#           weights. Where these sum up to 0 or less it raises, and gepa.optimize returns no result: the candidates that
#           were found are lost. With a constant added to all scores the merge is made, and is the best candidate.
#
# Output seen:
#   scores up to 2.0, 1.0 for the seed: 4 candidates, 1 merged, best score 1.75
#   scores up to 1.0, 0.0 for the seed: ValueError: Total of weights must be greater than zero
#   scores up to 0.0, -1.0 for the seed: ValueError: Total of weights must be greater than zero
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gepa==0.1.4
cd "$folder"
cat >finding.py <<'PYTHON'
import contextlib
import io

import gepa
from gepa import EvaluationBatch

QUESTIONS = list(range(8))


class Penalties:
    """Questions 0 to 3 gain by another text of the first step, 4 to 7 by one of the second; the others lose a little."""

    propose_new_texts = None

    def __init__(self, best):
        self.best = best

    def evaluate(self, batch, candidate, capture_traces=False):
        scores = []
        for question in batch:
            own, other = ("first", "second") if question < 4 else ("second", "first")
            change = 0.75 if candidate[own] != "seed" else -0.25 if candidate[other] != "seed" else 0.0
            scores.append(self.best - 1.0 + change)
        return EvaluationBatch(outputs=scores, scores=scores, trajectories=[{}] * len(batch) if capture_traces else None)

    def make_reflective_dataset(self, candidate, evaluated, components):
        return {name: [{"Feedback": "change it"}] for name in components}


def optimize(best):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            result = gepa.optimize(
                seed_candidate={"first": "seed", "second": "seed"},
                trainset=QUESTIONS,
                valset=QUESTIONS,
                adapter=Penalties(best),
                reflection_lm=lambda prompt: "```\nbetter\n```",
                reflection_minibatch_size=8,
                perfect_score=best,
                use_merge=True,
                max_metric_calls=100,
                seed=0,
            )
    except ValueError as error:
        return f"ValueError: {error}"
    merged = sum(len(parents) == 2 for parents in result.parents)
    return f"{len(result.candidates)} candidates, {merged} merged, best score {result.val_aggregate_scores[result.best_idx]}"


seen = {best: optimize(best) for best in (2.0, 1.0, 0.0)}
for best, text in seen.items():
    print(f"scores up to {best}, {best - 1.0} for the seed: {text}")
error = "ValueError: Total of weights must be greater than zero"
assert seen == {2.0: "4 candidates, 1 merged, best score 1.75", 1.0: error, 0.0: error}, seen
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
