#!/usr/bin/env bash
# DSPy: GEPA improves a step by calls of another step, where two steps have one signature, as the hops of a search.
#
# Seen on 2026-11-30 with dspy 3.4.1, gepa 0.1.4, CPython 3.11.
# Expected: what the reflection model is shown for `hops[0]`, and the metric gets as `pred_name` with `pred_trace`, are
#           calls of `hops[0]`.
# Seen:     calls are found by the signature: as long as the steps have the same instructions, as at the start, one call
#           of either is drawn at random. The first hop, which never gets a context, is told what was wrong with
#           queries that were made from one, the metric's feedback for `hops[0]` is about a call of `hops[1]`, and an
#           instruction that is written for the one step is set in the other.
#
# Output seen:
#   shown for hops[0]: 4 calls of hops[0], 8 calls of hops[1]
#   shown for hops[1]: 5 calls of hops[0], 7 calls of hops[1]
#   instructions that differ: 24 of 24 are calls of the step itself
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 gepa==0.1.4
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io

import dspy
from dspy.utils import DummyLM


class Hops(dspy.Module):
    """The search of DSPy's tutorials: each hop writes a query from what the hops before it have found."""

    def __init__(self, *instructions):
        super().__init__()
        signature = dspy.Signature("context, question -> query")
        self.hops = [dspy.Predict(signature.with_instructions(text)) for text in instructions]

    def forward(self, question):
        context = "nothing yet"
        for hop in self.hops:
            query = hop(context=context, question=question).query
            context = f"found by {query}"
        return dspy.Prediction(query=query)


def optimize(*instructions):
    """How many calls of each hop were shown for each hop."""
    shown = {"hops[0]": [0, 0], "hops[1]": [0, 0]}

    def propose(candidate, reflective_dataset, components_to_update):
        for name in components_to_update:
            for record in reflective_dataset[name]:
                shown[name][record["Inputs"]["context"] != "nothing yet"] += 1
        return {name: candidate[name] for name in components_to_update}

    def metric(gold, pred, trace=None, pred_name=None, pred_trace=None):
        return dspy.Prediction(score=0.0, feedback="Wrong.")

    examples = [dspy.Example(question=f"Question {number}?").with_inputs("question") for number in range(3)]
    optimizer = dspy.GEPA(metric=metric, instruction_proposer=propose, max_metric_calls=51, num_threads=1)
    with dspy.context(lm=DummyLM([{"query": "a query"}] * 1000)), contextlib.redirect_stdout(io.StringIO()):
        optimizer.compile(Hops(*instructions), trainset=examples, valset=examples)
    return shown


same = optimize("Write a query.", "Write a query.")
for name, (first, second) in same.items():
    print(f"shown for {name}: {first} calls of hops[0], {second} calls of hops[1]")
    assert first and second
own = optimize("Write a query.", "Write another query.")
right = own["hops[0]"][0] + own["hops[1]"][1]
print(f"instructions that differ: {right} of {sum(map(sum, own.values()))} are calls of the step itself")
assert own["hops[0]"][1] == own["hops[1]"][0] == 0
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
