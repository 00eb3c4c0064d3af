#!/usr/bin/env bash
# DSPy: dspy.settings.trace keeps the last 10,000 calls of predictors of a process, each with its program's predictor.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: when an optimizer has returned and its result is deleted, the candidates that it tried are garbage. At the
#           latest they are with disable_history=True, "the history" being what DSPy keeps of calls.
# Seen:     each call of a predictor outside of `dspy.context(trace=...)` is appended to a list of the process, with its
#           inputs, its prediction and the predictor. Calls of evaluations are among them: the predictors of all candidates,
#           their demos included, stay until 10,000 later calls have displaced them. disable_history=True and
#           max_history_size=0 do not change it; max_trace_size=0 does.
#
# Output seen:
#   predictors alive after each of three optimizations: [13, 26, 39]; calls kept [104, 208, 312]
#   the same with disable_history=True: [13, 26, 39]
#   the same with max_trace_size=0: [0, 0, 0]
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
import gc
import io

import dspy
from dspy.utils import DummyLM

examples = [dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(8)]


def optimize(**settings):
    """Optimize three times, keep nothing, and count what is alive after each time."""
    dspy.settings.trace.clear()
    dspy.configure(lm=DummyLM([{"answer": "yes"}] * 10_000), **settings)
    alive, calls = [], []
    for _ in range(3):
        with contextlib.redirect_stdout(io.StringIO()):
            optimizer = dspy.BootstrapFewShotWithRandomSearch(
                metric=lambda example, prediction, trace=None: example.answer == prediction.answer,
                num_candidate_programs=10,
                num_threads=1,
            )
            optimizer.compile(dspy.Predict("question -> answer"), trainset=examples)
        del optimizer
        gc.collect()
        alive.append(sum(type(one) is dspy.Predict for one in gc.get_objects()))
        calls.append(len(dspy.settings.trace))
    return alive, calls


alive, calls = optimize()
print(f"predictors alive after each of three optimizations: {alive}; calls kept {calls}")
without_history = optimize(disable_history=True, max_history_size=0)[0]
print(f"the same with disable_history=True: {without_history}")
without_trace = optimize(disable_history=True, max_trace_size=0)[0]
print(f"the same with max_trace_size=0: {without_trace}")
assert 0 < alive[0] < alive[1] < alive[2] and without_history == alive and without_trace == [0, 0, 0]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
