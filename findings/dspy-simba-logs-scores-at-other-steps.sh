#!/usr/bin/env bash
# DSPy: with SIMBA's defaults the train_score of a step in trial_logs is that of another step's winner.
#
# Seen on 2026-11-30 with dspy 3.4.1, numpy 2.4.6, CPython 3.11.
# Expected: trial_logs[n]["train_score"] is the score of the program that won step n.
# Seen:     each of the eight steps has a winner, six of which are validated with the default of six candidates: those of
#           the steps 0, 2, 3, 4, 6 and 7. Their scores are written to the steps 0 to 5. The winners of the steps 1 and 5
#           are never validated, so that the best program may be one of them, and nothing says so.
#
# Output seen:
#   lines of advice in the programs that were validated: [1, 3, 4, 5, 7, 8]
#   steps with a train_score: [0, 1, 2, 3, 4, 5], by these scores of programs with so many lines: [1, 3, 4, 5, 7, 8]
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


best = optimized(better_with_advice)
lines = {
    candidate["score"]: candidate["program"].step.signature.instructions.count("advice")
    for candidate in best.candidate_programs
}
validated = sorted(lines.values())[1:]  # the first is the given program
print(f"lines of advice in the programs that were validated: {validated}")
scored = {step: log["train_score"] for step, log in best.trial_logs.items() if "train_score" in log}
found = [lines[score] for score in scored.values()]
print(f"steps with a train_score: {list(scored)}, by these scores of programs with so many lines: {found}")
# Each winner has a line more than that of the step before.
assert len(best.trial_logs) == 8 and list(scored) == [0, 1, 2, 3, 4, 5] and found == validated == [1, 3, 4, 5, 7, 8]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
