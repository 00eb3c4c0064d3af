#!/usr/bin/env bash
# gepa: the last minibatch of each epoch has one example twice.
#
# Seen on 2026-11-30 with gepa 0.1.4, CPython 3.11.
# Expected: three different examples are in a minibatch of three, as long as there are three. Where the number of
#           examples is no multiple of three, the last minibatch of an epoch gets examples of earlier ones.
# Seen:     it is filled up with "least frequent" ids. All have the same frequency, so the choice falls on the last of
#           the shuffled order, which is in this minibatch already. Its score counts twice when the proposal is
#           accepted or rejected, and the reflection model gets it twice. With four examples this is every second
#           minibatch, with ten every fourth.
#
# Output seen:
#   4 examples: c b a | d d a
#   5 examples: e c b | a d d
#   7 examples: e b f | c a d | g g d
#   10 examples: i j b | c f d | h e a | g g a
#   6 examples: no example twice
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


class Adapter:
    propose_new_texts = None

    def __init__(self):
        self.minibatches = []

    def evaluate(self, batch, candidate, capture_traces=False):
        if capture_traces and self.minibatches[-1:] != [batch]:
            self.minibatches.append(list(batch))
        traces = [None] * len(batch) if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=[0.5] * len(batch), trajectories=traces)

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        return {name: [{"Inputs": "1+1", "Generated Outputs": "3"}] for name in components_to_update}


def first_epoch(examples):
    adapter = Adapter()
    gepa.optimize(
        seed_candidate={"prompt": "Add."}, trainset=list("abcdefghij"[:examples]), valset=["z"], adapter=adapter,
        reflection_lm=lambda prompt: "```\nAdd the numbers.\n```", reflection_minibatch_size=3, max_metric_calls=60,
        logger=type("Quiet", (), {"log": lambda *_: None})(),
    )
    return adapter.minibatches[: -(-examples // 3)]


for examples in (4, 5, 7, 10):
    epoch = first_epoch(examples)
    print(f"{examples} examples: {' | '.join(' '.join(minibatch) for minibatch in epoch)}")
    assert [len(set(minibatch)) for minibatch in epoch] == [3] * (len(epoch) - 1) + [2]
assert all(len(set(minibatch)) == 3 for minibatch in first_epoch(6))
print("6 examples: no example twice")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
