#!/usr/bin/env bash
# DSPy: SIMBA counts each verdict as 0 that is a number of numpy's: it compares candidates that all score the same.
#
# Seen on 2026-11-29 with dspy 3.4.1, numpy 2.4.6, CPython 3.11.
# Expected: a metric that returns np.float32, np.bool_ or np.int64 (what comparisons and sums of arrays give) scores as it
#           does with Evaluate, or is refused.
# Seen:     what is neither int, float nor a Prediction is left out, without a line in the log, and the score stays 0.0.
#           np.float64 counts, because it is a float. Evaluate scores all of them as 100.
#
# Output seen:
#   bool: Evaluate 100.0, SIMBA 1.0
#   np.float64: Evaluate 100.0, SIMBA 1.0
#   np.float32: Evaluate 100.0, SIMBA 0.0
#   np.int64: Evaluate 100.0, SIMBA 0.0
#   np.bool_: Evaluate 100.0, SIMBA 0.0
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

import dspy
import numpy as np
from dspy.utils import DummyLM

dspy.configure(lm=DummyLM([{"answer": "right"}] * 10000))
examples = [dspy.Example(question=f"question {number}", answer="right").with_inputs("question") for number in range(4)]
seen = []
for name, kind in (
    ("bool", bool),
    ("np.float64", np.float64),
    ("np.float32", np.float32),
    ("np.int64", np.int64),
    ("np.bool_", np.bool_),
):

    def metric(example, prediction, trace=None, kind=kind):
        return kind(example.answer == prediction.answer)

    program = dspy.Predict("question -> answer")
    evaluate = dspy.Evaluate(devset=examples, metric=metric, num_threads=1, display_progress=False)
    optimizer = dspy.SIMBA(metric=metric, bsize=4, num_candidates=2, max_steps=1, max_demos=1, num_threads=1)
    with contextlib.redirect_stdout(io.StringIO()):
        found = optimizer.compile(program, trainset=examples, seed=0)
    best = max(candidate["score"] for candidate in found.candidate_programs)
    seen.append((evaluate(program).score, float(best)))
    print(f"{name}: Evaluate {seen[-1][0]}, SIMBA {seen[-1][1]}")
assert seen == [(100.0, 1.0), (100.0, 1.0), (100.0, 0.0), (100.0, 0.0), (100.0, 0.0)]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
