#!/usr/bin/env bash
# DSPy: with track_stats COPRO counts the scores of a program's first step among those of its second one.
#
# Seen on 2026-12-01 with dspy 3.4.1, CPython 3.11.
# Expected: `results_latest` has for each predictor the best, worst and mean score of the candidates of a depth, from
#           which one sees whether changing this predictor helps.
# Seen:     the scores of a depth are collected over all predictors: the statistics of the second one have those of the
#           first one in them, the third one's those of both. Candidates of 0.8 and 0.9 have a mean of 0.5 and a minimum
#           of 0.1. `results_best` is right. Both have ids of copies as keys, which are those of no predictor of the
#           returned program.
#
# Output seen:
#   scores: write_query 10.0 and 20.0, answer 80.0 and 90.0
#   results_latest of write_query: min 10.0, average 15.0, max 20.0
#   results_latest of answer: min 10.0, average 50.0, max 90.0
#   results_best of answer: min 80.0, average 85.0, max 90.0
#   keys that are ids of the program's predictors: 0 of 2
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
import re

import dspy
from dspy.lm15 import Message, Response, TextPart, Usage

asked = []


class Model:
    """Answers each output field that the prompt asks for; its proposals are numbered."""

    def complete(self, request):
        listed = str(request.system).split("output fields are:")[1].split("All interactions")[0]
        names = re.findall(r"^\d+\. `(\w+)`", listed, re.MULTILINE)
        asked.extend(names)
        number = asked.count("proposed_instruction")
        values = {name: f"Proposal {number}." if name == "proposed_instruction" else "text" for name in names}
        text = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items())
        return Response(
            id="1", model="model", message=Message(role="assistant", parts=(TextPart(text=text),)),
            finish_reason="stop", usage=Usage(),
        )


class Search(dspy.Module):
    def __init__(self):
        super().__init__()
        self.write_query = dspy.Predict("question -> query")
        self.answer = dspy.Predict("question, query -> answer")

    def forward(self, question):
        return self.answer(question=question, query=self.write_query(question=question).query)


scores = iter([0.1, 0.2, 0.8, 0.9])


def metric(example, prediction, trace=None):
    return next(scores)


def shown(statistics):
    return f"min {statistics['min'][0]}, average {statistics['average'][0]}, max {statistics['max'][0]}"


dspy.configure(lm=dspy.LM("openai/model", engine=Model(), cache=False))
with contextlib.redirect_stdout(io.StringIO()):
    optimizer = dspy.COPRO(metric=metric, breadth=2, depth=1, track_stats=True)
    trainset = [dspy.Example(question="Why?").with_inputs("question")]
    found = optimizer.compile(Search(), trainset=trainset, eval_kwargs={"num_threads": 1})
print("scores: write_query 10.0 and 20.0, answer 80.0 and 90.0")
first, second = map(shown, found.results_latest.values())
_, best = map(shown, found.results_best.values())
print(f"results_latest of write_query: {first}")
print(f"results_latest of answer: {second}")
print(f"results_best of answer: {best}")
known = sum(id(predictor) in found.results_latest for predictor in found.predictors())
print(f"keys that are ids of the program's predictors: {known} of 2")
assert first == "min 10.0, average 15.0, max 20.0"
assert second == "min 10.0, average 50.0, max 90.0"
assert best == "min 80.0, average 85.0, max 90.0"
assert known == 0
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
