#!/usr/bin/env bash
# DSPy: BootstrapFewShot gives no demos to a module inside BestOfN or Refine.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: four examples are answered right by a program whose step stands in BestOfN: its predictor gets four demos.
# Seen:     BestOfN and Refine call copies of the module, and leave the copies' calls in the trace. BootstrapFewShot
#           finds the predictor of a call by its identity and skips calls of others: all attempts count as bootstrapped,
#           and none becomes a demo. With MIPROv2 and random search, which bootstrap so too, the bootstrapped candidates are
#           the program without demos, for the price of each attempt.
#
# Output seen:
#   ChainOfThought: Bootstrapped 4 full traces, demos [4]
#   BestOfN of it: Bootstrapped 4 full traces, demos [0]
#   Refine of it: Bootstrapped 4 full traces, demos [0]
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io

import dspy
from dspy.utils import DummyLM

examples = [dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(6)]


def metric(example, prediction, trace=None):
    return example.answer == prediction.answer


def reward(inputs, prediction):
    return 1.0


class Program(dspy.Module):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def forward(self, question):
        return self.step(question=question)


def retried(kind):
    return kind(dspy.ChainOfThought("question -> answer"), N=3, reward_fn=reward, threshold=1.0)


seen = []
for name, step in (
    ("ChainOfThought", dspy.ChainOfThought("question -> answer")),
    ("BestOfN of it", retried(dspy.BestOfN)),
    ("Refine of it", retried(dspy.Refine)),
):
    program = Program(step)
    program.set_lm(DummyLM([{"reasoning": "It is.", "answer": "yes"}] * 100))
    with contextlib.redirect_stdout(io.StringIO()) as printed, dspy.context(lm=program.get_lm()):
        optimizer = dspy.BootstrapFewShot(metric=metric, max_bootstrapped_demos=4, max_labeled_demos=0)
        compiled = optimizer.compile(program, trainset=examples)
    seen.append([len(predictor.demos) for predictor in compiled.predictors()])
    print(f"{name}: {printed.getvalue().split(' after')[0].strip()}, demos {seen[-1]}")
    assert "Bootstrapped 4 full traces" in printed.getvalue()
assert seen == [[4], [0], [0]]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
