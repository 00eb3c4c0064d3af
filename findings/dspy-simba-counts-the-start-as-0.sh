#!/usr/bin/env bash
# DSPy: SIMBA counts the given program as 0, whatever it scores: with scores far below 0 no candidate is built on another.
#
# Seen on 2026-11-30 with dspy 3.4.1, numpy 2.4.6, CPython 3.11.
# Expected: a metric, and the same metric minus 10 (a negative error, a cost): SIMBA, which adds a line of advice to one
#           of its best programs in each of eight steps, finds the same.
# Seen:     the given program has no scores in SIMBA's list, and a program without scores counts as 0. Where scores are
#           far below 0 it is the best one by far: each candidate of each step is made from it, and has one line of
#           advice in the end, as after the first step.
#
# Output seen:
#   scores from 0.5 on: lines of advice of the programs found [0, 1, 3, 4, 5, 7, 8]
#   the same minus 10: lines of advice of the programs found [0, 1, 1, 1, 1, 1, 1]
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 numpy==2.4.6
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io
import itertools

import dspy

examples = [dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(8)]
counter = itertools.count(1)


class Model(dspy.BaseLM):
    """Answers yes; as the model that proposes, it gives the step one more line of advice."""

    def __init__(self):
        super().__init__("model")

    def __call__(self, prompt=None, messages=None, **settings):
        if "module_advice" in messages[-1]["content"]:
            advice = f'{{"step": "advice {next(counter)}"}}'
            return [f"[[ ## discussion ## ]]\nNone.\n\n[[ ## module_advice ## ]]\n{advice}\n\n[[ ## completed ## ]]"]
        return ["[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"]


class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.step = dspy.Predict("question -> answer")

    def forward(self, question):
        self.step(question=question)
        lines = self.step.signature.instructions.count("advice")
        return dspy.Prediction(lines=lines, noise=next(counter) % 3)


def better_with_advice(example, prediction, trace=None):
    return 0.5 + 0.05 * prediction.lines + 0.01 * prediction.noise


def optimized(metric):
    with dspy.context(lm=Model()), contextlib.redirect_stdout(io.StringIO()):
        optimizer = dspy.SIMBA(metric=metric, bsize=8, max_demos=0, num_threads=1)
        return optimizer.compile(Program(), trainset=examples, seed=0)


def minus_10(example, prediction, trace=None):
    return better_with_advice(example, prediction) - 10


seen = []
for text, metric in (("scores from 0.5 on", better_with_advice), ("the same minus 10", minus_10)):
    found = [candidate["program"].step.signature.instructions for candidate in optimized(metric).candidate_programs]
    seen.append(sorted(instructions.count("advice") for instructions in found))
    print(f"{text}: lines of advice of the programs found {seen[-1]}")
assert seen[0][-1] >= 3 and seen[1] == [0, 1, 1, 1, 1, 1, 1]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
