#!/usr/bin/env bash
# gepa: with four proposals an iteration, three of them have minibatches of the iteration before.
#
# Seen on 2026-12-01 with gepa 0.1.4, CPython 3.11.
# Expected: a sampling strategy with several proposals, as `SameParentSampling(4)`, gives each one the next minibatch,
#           so that an epoch of eight minibatches is two iterations: each example is reflected on once in an epoch.
# Seen:     the first minibatch of an iteration is the one after the first of the iteration before. The examples of an
#           iteration are those of the one before but for one minibatch, and an epoch, after which the examples are
#           shuffled again, is eight iterations. After two iterations nine of 24 examples have not been seen.
#
# Output seen:
#   one proposal: oax | sgf | hkw | uec
#   four proposals: oax sgf hkw uec | sgf hkw uec vdr | hkw uec vdr ltj | uec vdr ltj mpq
#   examples seen in two iterations of four proposals: 15 of 24
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
from gepa.strategies.proposal_sampling import SameParentSampling

EXAMPLES = "abcdefghijklmnopqrstuvwx"


class Adapter:
    propose_new_texts = None

    def evaluate(self, batch, candidate, capture_traces=False):
        traces = [None] * len(batch) if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=[0.5] * len(batch), trajectories=traces)

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        return {name: [{"Inputs": "1+1", "Generated Outputs": "3"}] for name in components_to_update}


class Iterations:
    """The minibatches of each iteration."""

    def __init__(self):
        self.minibatches = []

    def on_iteration_start(self, event):
        self.minibatches.append([])

    def on_minibatch_sampled(self, event):
        self.minibatches[-1].append("".join(EXAMPLES[number] for number in event["minibatch_ids"]))


def first_iterations(count, strategy):
    iterations = Iterations()
    gepa.optimize(
        seed_candidate={"prompt": "Add."}, trainset=list(EXAMPLES), valset=["z"], adapter=Adapter(),
        reflection_lm=lambda prompt: "```\nAdd the numbers.\n```", reflection_minibatch_size=3, max_metric_calls=100,
        sampling_strategy=strategy, callbacks=[iterations], logger=type("Quiet", (), {"log": lambda *_: None})(),
    )
    return iterations.minibatches[:count]


def shown(iterations):
    return " | ".join(" ".join(minibatches) for minibatches in iterations)


print(f"one proposal: {shown(first_iterations(4, None))}")
four = first_iterations(4, SameParentSampling(4))
print(f"four proposals: {shown(four)}")
assert all(len(minibatches) == 4 for minibatches in four)
assert all(after[:3] == before[1:] for before, after in zip(four, four[1:]))
examples = {example for minibatches in four[:2] for minibatch in minibatches for example in minibatch}
print(f"examples seen in two iterations of four proposals: {len(examples)} of 24")
assert len(examples) == 15
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
