#!/usr/bin/env bash
# inspect-ai: match(numeric=True) compares five digits: 123456 is right where 123461 is expected.
#
# Seen on 2026-12-01 with inspect-ai 0.3.285, CPython 3.11.
# Expected: the scorer is for answers that are a number, as those of GSM8K; 123456 and 123461 are two numbers.
# Seen:     both are formatted with five significant digits before they are compared as texts ("1.2346e+05"), which is
#           also what the log shows as the answer. Wrong sums of money, populations and ids from six digits on, and dates
#           as 20240131, score as right.
#
# Output seen:
#   expected 123461, answered 123456: C, answer in the log: 1.2346e+05
#   expected 20240131, answered 20240229: C, answer in the log: 2.024e+07
#   expected 3.14159, answered 3.14162: C, answer in the log: 3.1416
#   expected 12346, answered 12345: I, answer in the log: 12345
#   accuracy of the task: 0.75
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
from inspect_ai.scorer import match
from inspect_ai.solver import solver

PAIRS = [("123461", "123456"), ("20240131", "20240229"), ("3.14159", "3.14162"), ("12346", "12345")]


@solver
def answer():
    async def solve(state, generate):
        state.output = ModelOutput.from_content("mockllm/model", f"The answer is {state.metadata['answer']}")
        return state

    return solve


samples = [Sample(input="How many?", target=expected, metadata={"answer": given}) for expected, given in PAIRS]
task = Task(samples, solver=answer(), scorer=match(numeric=True))
log = evaluate(task, model="mockllm/model", display="none")[0]
verdicts = []
for sample in log.samples:
    score = sample.scores["match"]
    verdicts.append(score.value)
    given = sample.metadata["answer"]
    print(f"expected {sample.target}, answered {given}: {score.value}, answer in the log: {score.answer}")
accuracy = log.results.scores[0].metrics["accuracy"].value
print(f"accuracy of the task: {accuracy}")
assert verdicts == ["C", "C", "C", "I"] and accuracy == 0.75
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
