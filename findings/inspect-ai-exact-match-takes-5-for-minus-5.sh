#!/usr/bin/env bash
# inspect-ai: exact() takes 5 for -5, and 105km for 10.5km.
#
# Seen on 2026-12-01 with inspect-ai 0.3.285, CPython 3.11.
# Expected: an answer with the other sign, or a tenth of the value, is no exact match. The scorer takes care of numbers:
#           2.5 is not 25, and 2.50 is 2.5.
# Seen:     texts are cut at each hyphen, which is how the sign is lost, before a number is looked for. A number with a
#           unit behind it is none, and loses its point with the other punctuation. f1() normalizes likewise: 1.0.
#
# Output seen:
#   expected -5, answered 5: exact C, f1 1.0
#   expected x = -3, answered x = 3: exact C, f1 1.0
#   expected 10.5km, answered 105km: exact C, f1 1.0
#   expected 2.5, answered 25: exact I, f1 0.0
#   mean of exact() over the task: 0.75
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check inspect-ai==0.3.285
cd "$folder"
cat >finding.py <<'PYTHON'
from inspect_ai import Task, eval as evaluate
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import exact, f1
from inspect_ai.solver import solver

PAIRS = [("-5", "5"), ("x = -3", "x = 3"), ("10.5km", "105km"), ("2.5", "25")]


@solver
def answer():
    async def solve(state, generate):
        state.output = ModelOutput.from_content("mockllm/model", state.metadata["answer"])
        return state

    return solve


samples = [Sample(input="How many?", target=expected, metadata={"answer": given}) for expected, given in PAIRS]
task = Task(samples, solver=answer(), scorer=[exact(), f1()])
log = evaluate(task, model="mockllm/model", display="none")[0]
verdicts = []
for sample in log.samples:
    matched, overlap = sample.scores["exact"].value, sample.scores["f1"].value
    verdicts.append((matched, overlap))
    print(f"expected {sample.target}, answered {sample.metadata['answer']}: exact {matched}, f1 {overlap}")
mean = log.results.scores[0].metrics["mean"].value
print(f"mean of exact() over the task: {mean}")
assert verdicts == [("C", 1.0), ("C", 1.0), ("C", 1.0), ("I", 0.0)]
assert mean == 0.75
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
