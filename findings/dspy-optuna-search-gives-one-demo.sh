#!/usr/bin/env bash
# DSPy: BootstrapFewShotWithOptuna returns programs with exactly one demo, however many are asked for.
#
# Seen on 2026-11-28 with dspy 3.4.1, optuna 5.0.0, CPython 3.11.
# Expected: max_bootstrapped_demos=4 and compile(max_demos=4): candidates with one to four demos per predictor, as the
#           first line that the optimizer prints says.
# Seen:     a candidate is one index per predictor into the bootstrapped demos, so each has one demo. max_bootstrapped_demos
#           is used in the printed line alone; max_demos decides only how many demos there are to choose that one from.
#
# Output seen:
#   Going to sample between 1 and 4 traces per predictor.
#   demos to choose from: 4
#   demos of the candidates: [1, 1, 1, 1, 1, 1]
#   demos of the returned program: 1
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

import dspy
from dspy.teleprompt import BootstrapFewShotWithOptuna
from dspy.utils import DummyLM

sizes = []


class Answer(dspy.Module):
    def __init__(self):
        super().__init__()
        self.answer = dspy.Predict("question -> answer")

    def forward(self, question):
        return self.answer(question=question)


def metric(example, prediction, trace=None):
    return prediction.answer == example.answer


dspy.configure(lm=DummyLM([{"answer": "yes"}] * 1000))
examples = [dspy.Example(question=f"question {n}", answer="yes").with_inputs("question") for n in range(6)]
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    optimizer = BootstrapFewShotWithOptuna(
        metric=metric, max_bootstrapped_demos=4, max_labeled_demos=0, num_candidate_programs=6, num_threads=1
    )
    objective = optimizer.objective

    def measured(trial):
        score = objective(trial)
        sizes.append(len(trial.user_attrs["program"].answer.demos))
        return score

    optimizer.objective = measured
    best = optimizer.compile(Answer(), trainset=examples, max_demos=4)
print(printed.getvalue().splitlines()[0])
print(f"demos to choose from: {len(optimizer.compiled_teleprompter.answer.demos)}")
print(f"demos of the candidates: {sizes}")
print(f"demos of the returned program: {len(best.answer.demos)}")
assert sizes == [1] * 6 and len(best.answer.demos) == 1
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
