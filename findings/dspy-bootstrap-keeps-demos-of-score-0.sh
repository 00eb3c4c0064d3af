#!/usr/bin/env bash
# DSPy: BootstrapFewShot keeps wrong answers as demos where the metric returns a Prediction, or the threshold is 0.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: an answer becomes a demo if the metric accepts it. A metric for GEPA returns dspy.Prediction(score=0.0,
#           feedback=...) for a wrong one, which Evaluate counts as 0. With metric_threshold=0.0 a score of -1 is too low.
# Seen:     without a threshold the verdict is used as a truth value, and a Prediction is always true. A threshold of 0 is
#           taken for none, and then -1 is true. Each wrong answer is shown to the model as an example to follow. So it is
#           with each optimizer that bootstraps demos: random search, MIPROv2, BetterTogether, InferRules.
#
# Output seen:
#   Evaluate, Prediction(score=0.0): 0.0
#   0.0: 0 demos
#   Prediction(score=0.0): 2 demos, 'wrong' among them
#   Prediction(score=0.0), threshold 0.5: 0 demos
#   -1.0, threshold 0.0: 2 demos, 'wrong' among them
#   -1.0, threshold 0.001: 0 demos
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

dspy.configure(lm=DummyLM([{"answer": "wrong"}] * 1000))
examples = [dspy.Example(question=f"question {number}", answer="right").with_inputs("question") for number in range(4)]
feedback = dspy.Prediction(score=0.0, feedback="It is 'right'.")
evaluate = dspy.Evaluate(devset=examples, metric=lambda *_: feedback, num_threads=1, display_progress=False)
scored = evaluate(dspy.Predict("question -> answer")).score
print(f"Evaluate, Prediction(score=0.0): {scored}")
seen = []
for name, verdict, threshold in (
    ("0.0", 0.0, None),
    ("Prediction(score=0.0)", feedback, None),
    ("Prediction(score=0.0), threshold 0.5", feedback, 0.5),
    ("-1.0, threshold 0.0", -1.0, 0.0),
    ("-1.0, threshold 0.001", -1.0, 0.001),
):
    optimizer = dspy.BootstrapFewShot(
        metric=lambda *_, verdict=verdict: verdict, metric_threshold=threshold, max_bootstrapped_demos=2, max_labeled_demos=0
    )
    with contextlib.redirect_stdout(io.StringIO()):
        demos = optimizer.compile(dspy.Predict("question -> answer"), trainset=examples).demos
    among = ", 'wrong' among them" if "wrong" in [demo.answer for demo in demos] else ""
    print(f"{name}: {len(demos)} demos{among}")
    seen.append([demo.answer for demo in demos])
assert scored == 0.0
assert seen == [[], ["wrong", "wrong"], [], ["wrong", "wrong"], []]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
