#!/usr/bin/env bash
# DSPy: nine of the ten trials of MIPROv2 with auto="light" are chosen at random: no score has an influence on them.
#
# Seen on 2026-11-29 with dspy 3.4.1, optuna 5.0.0, CPython 3.11.
# Expected: Bayesian optimization: what scored well is varied further, "to find the optimal combination", as the log says
#           before the trials. Two metrics with opposite scores lead to other trials.
# Seen:     Optuna's TPESampler samples at random until it has ten trials, of which the default program is one. For a
#           program with one predictor auto="light" has ten trials. With opposite scores the first nine choose the same
#           instructions and demos; the last one alone is chosen by the scores. With more than 50 validation examples
#           MIPROv2 adds its full evaluations to the trials, so that the scores choose the last two.
#
# Output seen:
#   trials: 10
#   the same choices with opposite scores: the first 9
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 optuna==5.0.0
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io
from itertools import takewhile

import dspy
import optuna
from dspy.utils import DummyLM

examples = [dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(20)]


class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.step = dspy.Predict("question -> answer")

    def forward(self, question):
        return dspy.Prediction(answer="yes", instructions=self.step.signature.instructions)


def choices(best):
    """What each trial chose, if the instruction with this number is the only right one."""
    fields = ("observations", "summary", "program_description", "module_description")
    proposals = [{name: "text" for name in fields} | {"proposed_instruction": f"instruction {n}."} for n in range(1000)]
    chosen = []
    ask = optuna.trial.Trial.suggest_categorical

    def observed(trial, name, options):
        option = ask(trial, name, options)
        chosen.append((trial.number, name, option))
        return option

    def metric(example, prediction, trace=None):
        return SCORES[best](prediction.instructions)

    optuna.trial.Trial.suggest_categorical = observed
    try:
        with contextlib.redirect_stdout(io.StringIO()), dspy.context(lm=DummyLM(proposals)):
            optimizer = dspy.MIPROv2(metric=metric, auto="light", num_threads=1, seed=1)
            optimizer.compile(Program(), trainset=examples, valset=examples, minibatch=False)
    finally:
        optuna.trial.Trial.suggest_categorical = ask
    by_trial = {}
    for number, name, option in chosen:
        by_trial.setdefault(number, {})[name] = option
    return list(by_trial.values())


SCORES = {
    "default": lambda instructions: 1.0 if "instruction" not in instructions else 0.0,
    "proposed": lambda instructions: 0.0 if "instruction" not in instructions else 1.0,
}
one, other = choices("default"), choices("proposed")
same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other))))
print(f"trials: {len(one)}")
print(f"the same choices with opposite scores: the first {same}")
assert (len(one), len(other), same) == (10, 10, 9)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
