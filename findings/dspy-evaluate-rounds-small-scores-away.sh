#!/usr/bin/env bash
# DSPy: optimizers take a program that costs a quarter of another for equally good, and return the more expensive one.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: a metric may return any number, of which higher is better, such as minus the cost of the answer in dollars. An
#           optimizer returns the candidate with the highest mean.
# Seen:     `Evaluate` multiplies the mean by 100 and rounds it to two decimals, for a percentage; optimizers compare this
#           number. Means that differ by less than 0.0001 are one score: costs below 0.00005 dollars are all -0.0, and
#           the first candidate wins. The results of the evaluation have the scores as they are. The same metric in
#           millionths of a dollar finds the cheap program.
#
# Output seen:
#   minus dollars: scores [-0.0, -0.0], means [-4e-05, -1e-05], returned: the expensive program
#   minus millionths of a dollar: scores [-4000.0, -1000.0], means [-40.0, -10.0], returned: the cheap program
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
import os

import dspy
from dspy.lm15 import Message, Response, TextPart, Usage

DOLLARS = {"without demos": 0.00004, "with demos": 0.00001}


class Model:
    """Answers at length, unless the prompt has a demo, which is short."""

    def complete(self, request):
        way = "with demos" if len(request.messages) > 1 else "without demos"
        text = f"[[ ## answer ## ]]\n{way}\n\n[[ ## completed ## ]]"
        return Response(
            id="1", model="model", message=Message(role="assistant", parts=(TextPart(text=text),)),
            finish_reason="stop", usage=Usage(),
        )


TRAINSET = [dspy.Example(question=str(number), answer="short").with_inputs("question") for number in range(4)]
seen = {}
dspy.configure(lm=dspy.LM("openai/model", engine=Model(), cache=False))
for unit, factor in (("minus dollars", -1), ("minus millionths of a dollar", -1_000_000)):

    def metric(example, prediction, trace=None, factor=factor):
        return factor * DOLLARS[prediction.answer]

    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        search = dspy.BootstrapFewShotWithRandomSearch(metric=metric, num_threads=1)
        # the program without demos, and with labeled ones
        best = search.compile(dspy.Predict("question -> answer"), trainset=TRAINSET, restrict=[-3, -2])
    tried = sorted(best.candidate_programs, key=lambda candidate: candidate["seed"])
    means = [round(sum(candidate["subscores"]) / 4, 9) for candidate in tried]
    which = "cheap" if best.demos else "expensive"
    seen[unit] = [candidate["score"] for candidate in tried], means, which
    print(f"{unit}: scores {seen[unit][0]}, means {means}, returned: the {which} program")
assert seen["minus dollars"] == ([0.0, 0.0], [-0.00004, -0.00001], "expensive")
assert seen["minus millionths of a dollar"] == ([-4000.0, -1000.0], [-40.0, -10.0], "cheap")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
