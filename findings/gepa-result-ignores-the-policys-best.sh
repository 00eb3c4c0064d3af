#!/usr/bin/env bash
# gepa: best_candidate of a result is not the one that the evaluation policy has found best.
#
# Seen on 2026-11-30 with gepa 0.1.4, CPython 3.11.
# Expected: val_evaluation_policy is documented to control "which candidate is currently best". A policy that evaluates a
#           new candidate on a part of the validation set, to save calls, and trusts a mean over all of it more, has its
#           best candidate returned.
# Seen:     the policy decides what the log and the callbacks have as the best candidate. The result takes the highest
#           mean, over however few examples: a candidate with 1.0 on a single easy example is returned instead of one
#           with 0.75 on all four.
#
# Output seen:
#   best for the policy, as callbacks get it: candidate 0, mean 0.75 over 4 examples
#   best_candidate of the result: candidate 1, mean 1.0 over 1 examples
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
    """The seed is right but for "hard"; a proposal is right for "easy" alone, and better in training."""

    propose_new_texts = None

    def evaluate(self, batch, candidate, capture_traces=False):
        seed = candidate["prompt"] == "Add."
        right = {"easy": (1.0, 1.0), "even": (1.0, 0.0), "odd": (1.0, 0.0), "hard": (0.0, 0.0), "train": (0.0, 1.0)}
        scores = [right[example][0 if seed else 1] for example in batch]
        traces = [None] * len(batch) if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=scores, trajectories=traces)

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        return {name: [{"Inputs": "1+1", "Generated Outputs": "3", "Feedback": "wrong"}] for name in components_to_update}


class WholeSetFirst:
    """New candidates are evaluated on the first example; the best is one with most examples, then with the best mean."""

    def get_eval_batch(self, loader, state, target_program_idx=None):
        ids = list(loader.all_ids())
        return ids[:1] if target_program_idx != 0 and len(state.program_candidates) >= 1 else ids

    def get_best_program(self, state):
        scores = state.prog_candidate_val_subscores
        return max(range(len(scores)), key=lambda n: (len(scores[n]), self.get_valset_score(n, state)))

    def get_valset_score(self, program_idx, state):
        return state.get_program_average_val_subset(program_idx)[0]


class Callback:
    def on_optimization_end(self, event):
        self.best = event["best_candidate_idx"]


callback = Callback()
result = gepa.optimize(
    seed_candidate={"prompt": "Add."}, trainset=["train"] * 3, valset=["easy", "even", "odd", "hard"], adapter=Adapter(),
    reflection_lm=lambda prompt: "```\nAdd the numbers.\n```", val_evaluation_policy=WholeSetFirst(), max_metric_calls=12,
    callbacks=[callback], logger=type("Quiet", (), {"log": lambda *_: None})(),
)


def described(index):
    scores = result.val_subscores[index]
    return f"candidate {index}, mean {sum(scores.values()) / len(scores)} over {len(scores)} examples"


print(f"best for the policy, as callbacks get it: {described(callback.best)}")
print(f"best_candidate of the result: {described(result.best_idx)}")
assert (callback.best, result.best_idx) == (0, 1) and result.best_candidate == {"prompt": "Add the numbers."}
PYTHON
