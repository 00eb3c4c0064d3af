#!/usr/bin/env bash
# DSPy: Refine asks the configured model for its advice, not the one of `set_lm`; without one it retries without advice.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: after `program.set_lm(lm)` all calls of the program are calls of that model, those between the attempts of
#           Refine too, which is what makes it more than BestOfN.
# Seen:     the attempts use the model of the module. The advice is asked of the model of `dspy.configure`: tokens and
#           prompts, with the code and the inputs of the program, go to another model, perhaps of another provider. If
#           none is configured, that call fails, which counts as a failed attempt: the next attempts have no hint, the
#           result is that of BestOfN, and a line is printed for each.
#
# Output seen:
#   configured model: another one; its calls: 2; attempts with a hint: [False, True, True]; failed attempts: 0
#   configured model: none; its calls: 0; attempts with a hint: [False, False, False]; failed attempts: 2
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


class Answer(dspy.Module):
    def __init__(self):
        super().__init__()
        self.answer = dspy.Predict("question -> answer")

    def forward(self, question):
        return self.answer(question=question)


def is_short(args, prediction):
    return float(len(prediction.answer.split()) == 1)


def run(configured):
    """For each attempt whether it had a hint; calls of the configured model; attempts that count as failed."""
    lm = DummyLM([{"answer": "It is Rome."}] * 3)
    program = dspy.Refine(Answer(), N=3, reward_fn=is_short, threshold=1.0)
    program.set_lm(lm)
    assert program.get_lm() is lm
    printed = contextlib.redirect_stdout(io.StringIO())
    with dspy.context(lm=configured, warn_on_type_mismatch=False), printed as lines:
        assert program(question="The capital of Italy?").answer == "It is Rome."
    calls = [call["messages"][-1]["content"] for call in program.history]
    hints = ["[[ ## hint_ ## ]]" in call for call in calls if "[[ ## program_code ## ]]" not in call]
    return hints, len(configured.history) if configured else 0, lines.getvalue().count("Attempt failed")


other = DummyLM([{"discussion": "Too long.", "advice": '{"answer": "Be short."}'}] * 2)
for configured, name in ((other, "another one"), (None, "none")):
    hints, calls, failed = run(configured)
    print(f"configured model: {name}; its calls: {calls}; attempts with a hint: {hints}; failed attempts: {failed}")
    expected = ([False, True, True], 2, 0) if configured else ([False, False, False], 0, 2)
    assert (hints, calls, failed) == expected
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
