#!/usr/bin/env bash
# DSPy: stop_at_score of BootstrapFewShotWithRandomSearch is in percent, metric_threshold beside it on the metric's scale.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: the metric returns 0.1 for a wrong answer and 1.0 for a right one. metric_threshold=0.9 accepts right answers
#           only, and stop_at_score=0.9 stops the search at a program that scores 0.9.
# Seen:     the search stops after its first program, which is the one without demos and answers nothing right: its score
#           is 10.0, in percent, which is more than 0.9. stop_at_score=90 means 0.9. Nothing is said about either unit.
#
# Output seen:
#   metric_threshold=0.9: 6 programs, scores [10.0, 10.0, 10.0, 10.0, 10.0, 10.0]
#   metric_threshold=0.9, stop_at_score=0.9: 1 programs, scores [10.0]
#   metric_threshold=0.9, stop_at_score=90: 6 programs, scores [10.0, 10.0, 10.0, 10.0, 10.0, 10.0]
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

examples = [dspy.Example(question=str(number), answer="yes").with_inputs("question") for number in range(4)]


def metric(example, prediction, trace=None):
    return 1.0 if prediction.answer == example.answer else 0.1


def search(**settings):
    dspy.configure(lm=DummyLM([{"answer": "no"}] * 1000))
    with contextlib.redirect_stdout(io.StringIO()):
        best = dspy.BootstrapFewShotWithRandomSearch(
            metric=metric, num_candidate_programs=3, max_bootstrapped_demos=1, max_labeled_demos=1, num_threads=1, **settings
        ).compile(dspy.Predict("question -> answer"), trainset=examples)
    scores = [candidate["score"] for candidate in best.candidate_programs]
    named = ", ".join(f"{name}={value}" for name, value in settings.items())
    print(f"{named}: {len(scores)} programs, scores {scores}")
    return scores


assert search(metric_threshold=0.9) == [10.0] * 6
assert search(metric_threshold=0.9, stop_at_score=0.9) == [10.0]
assert search(metric_threshold=0.9, stop_at_score=90) == [10.0] * 6
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
