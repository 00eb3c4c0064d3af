#!/usr/bin/env bash
# DSPy: MultiChainComparison shows the model the first line of each attempt only: attempts at code look all the same.
#
# Seen on 2026-11-28 with dspy 3.4.1, CPython 3.11.
# Expected: the model compares the attempts that it is given.
# Seen:     reasoning and answer of each attempt are cut after their first line. Three functions that differ in their
#           bodies are three times `def double(x):`, and a reasoning in steps is its first step. No warning.
#
# Output seen:
#   lines of the request with an attempt:
#   «I'm trying to First I read the task. I'm not sure but my prediction is def double(x):»
#   «I'm trying to First I read the task. I'm not sure but my prediction is def double(x):»
#   «I'm trying to First I read the task. I'm not sure but my prediction is def double(x):»
#   bodies in the request: 0 of 3
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
import dspy
from dspy.lm15 import Message, Response, TextPart, Usage


class Engine:
    def __init__(self, answer):
        self.answer, self.requests = answer, []

    def complete(self, request):
        self.requests.append(request)
        return Response(
            id="1",
            model="model",
            message=Message(role="assistant", parts=(TextPart(text=self.answer(str(request))),)),
            finish_reason="stop",
            usage=Usage(input_tokens=100, output_tokens=10, total_tokens=110),
        )


answer = "[[ ## rationale ## ]]\nnone\n\n[[ ## code ## ]]\nnone\n\n[[ ## completed ## ]]"
engine = Engine(lambda request: answer)
dspy.configure(lm=dspy.LM("openai/model", engine=engine, cache=False))
bodies = ("return x * 2", "return x ** 2", "return x + x")
attempts = [
    {"reasoning": "First I read the task.\nThen I write code.", "code": f"def double(x):\n    {body}"} for body in bodies
]
dspy.MultiChainComparison("task -> code", M=3)(completions=attempts, task="Double a number.")
text = engine.requests[0].messages[-1].parts[0].text
print("lines of the request with an attempt:")
shown = [line for line in text.splitlines() if line.startswith("«")]
print("\n".join(shown))
found = sum(body in text for body in bodies)
print(f"bodies in the request: {found} of 3")
assert len(shown) == 3 and len(set(shown)) == 1 and found == 0
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
