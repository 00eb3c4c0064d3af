#!/usr/bin/env bash
# DSPy: of ten trials of MIPROv2 with auto="light", two or three evaluate a program that an earlier trial has evaluated.
#
# Seen on 2026-11-29 with dspy 3.4.1, optuna 5.0.0, numpy 2.4.6, CPython 3.11.
# Expected: a trial costs a run of the program on the whole validation set, so that each tries something new: there are 18
#           combinations of instructions and demos for ten trials.
# Seen:     Optuna's sampler proposes combinations again, and MIPROv2 does not compare them with those that it has: the
#           program is evaluated on the same examples once more. Where the model's answers differ from run to run, two
#           trials of one program have two scores, and the higher one counts.
#
# Output seen:
#   seed 9: 18 combinations, 10 trials, 8 of them different
#   seed 1: 18 combinations, 10 trials, 7 of them different
#   seed 2: 18 combinations, 10 trials, 8 of them different
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 optuna==5.0.0 numpy==2.4.6
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io
import itertools
import re

import dspy
from dspy.utils import DummyLM

numbers = itertools.count(1)


class Model(DummyLM):
    """Answers each output field that the prompt asks for, each time by another text."""

    def __call__(self, prompt=None, messages=None, **settings):
        names = re.findall(r"`\[\[ ## (\w+) ## \]\]`", messages[-1]["content"])
        fields = "".join(f"[[ ## {name} ## ]]\ntext {next(numbers)}\n\n" for name in names if name != "completed")
        return [fields + "[[ ## completed ## ]]"]


examples = [dspy.Example(question=str(number), answer="yes").with_inputs("question") for number in range(40)]
dspy.configure(lm=Model([]))
seen = {}
for seed in (9, 1, 2):
    optimizer = dspy.MIPROv2(metric=lambda *_: True, auto="light", num_threads=1, seed=seed)
    with contextlib.redirect_stdout(io.StringIO()):
        best = optimizer.compile(dspy.Predict("question -> answer"), trainset=examples[:20], valset=examples[20:])
    trials = [
        (trial["0_predictor_instruction"], trial["0_predictor_demos"])
        for trial in best.trial_logs.values()
        if "0_predictor_instruction" in trial
    ]
    combinations = 3 * 6
    assert all(instruction < 3 and demos < 6 for instruction, demos in trials)
    seen[seed] = (len(trials), len(set(trials)))
    print(f"seed {seed}: {combinations} combinations, {len(trials)} trials, {len(set(trials))} of them different")
assert seen == {9: (10, 8), 1: (10, 7), 2: (10, 8)}, seen
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
