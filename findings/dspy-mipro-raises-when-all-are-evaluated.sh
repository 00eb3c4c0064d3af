#!/usr/bin/env bash
# DSPy: MIPROv2 raises ValueError at a full evaluation when all combinations that it has tried are fully evaluated.
#
# Seen on 2026-11-30 with dspy 3.4.1, optuna 5.0.0, CPython 3.11.
# Expected: three instructions, 20 trials on minibatches and a full evaluation after each five of them: the best of the
#           three instructions is returned. With 15 trials it is.
# Seen:     each full evaluation takes the best combination that has none yet. The fourth one finds none and raises: the
#           program that was best, with 100.0 after the first full evaluation, and all scores are lost.
#
# Output seen:
#   15 trials: returned, score 100.0
#   20 trials: ValueError: No valid program found in param_score_dict
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
from dspy.utils import DummyLM

examples = [dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(20)]


class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.step = dspy.Predict("question -> answer")

    def forward(self, question):
        return dspy.Prediction(answer="yes", instructions=self.step.signature.instructions)


def metric(example, prediction, trace=None):
    return 1.0 if "instruction" in prediction.instructions else 0.5


def outcome(trials):
    fields = ("observations", "summary", "program_description", "module_description")
    proposals = [{name: "text" for name in fields} | {"proposed_instruction": f"instruction {n}."} for n in range(1000)]
    try:
        with contextlib.redirect_stdout(io.StringIO()), dspy.context(lm=DummyLM(proposals)):
            optimizer = dspy.MIPROv2(
                metric=metric, auto=None, num_candidates=3, max_bootstrapped_demos=0, max_labeled_demos=0, num_threads=1
            )
            best = optimizer.compile(
                Program(), trainset=examples, valset=examples, num_trials=trials, minibatch_size=5
            )
    except ValueError as error:
        return f"ValueError: {error}"
    return f"returned, score {best.score}"


seen = [outcome(trials) for trials in (15, 20)]
for trials, text in zip((15, 20), seen):
    print(f"{trials} trials: {text}")
assert seen == ["returned, score 100.0", "ValueError: No valid program found in param_score_dict"]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
