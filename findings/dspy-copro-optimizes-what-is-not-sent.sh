#!/usr/bin/env bash
# DSPy: COPRO pays for, evaluates and returns prefixes of the output field, which no prompt contains.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: a candidate of COPRO is an instruction and "the string at the end of the prompt, which will help the model
#           start solving the task"; two that differ in it are two prompts.
# Seen:     DSPy's adapters write no prefix into a prompt. The prompt model writes one for each candidate, reads the
#           earlier ones with their scores, and candidates that differ in nothing else are evaluated one by one: twelve
#           programs with two prompts here. The prefix of the winner is as good as any other.
#
# Output seen:
#   programs evaluated: 12, in 36 calls of the task's model
#   candidates returned: 12
#   different prompts sent for 3 examples: 6
#   prompts with a proposed prefix: 0
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
import itertools

import dspy
from dspy.lm15 import Message, Response, TextPart, Usage
from dspy.teleprompt import COPRO

numbers = itertools.count(1)


class Prompts:
    """Proposes one instruction again and again, each time with another prefix."""

    def complete(self, request):
        fields = {"proposed_instruction": "Answer.", "proposed_prefix_for_output_field": f"Prefix {next(numbers)}:"}
        return response("\n\n".join(f"[[ ## {name} ## ]]\n{text}" for name, text in fields.items()))


class Task:
    def complete(self, request):
        return response("[[ ## answer ## ]]\nyes")


def response(text):
    message = Message(role="assistant", parts=(TextPart(text=text),))
    return Response(id="1", model="model", message=message, finish_reason="stop", usage=Usage())


def metric(example, prediction, trace=None):
    return example.answer == prediction.answer


prompts = dspy.LM("openai/prompts", engine=Prompts(), cache=False)
task = dspy.LM("openai/task", engine=Task(), cache=False)
dspy.configure(lm=task)
examples = [dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(3)]
optimizer = COPRO(prompt_model=prompts, metric=metric, breadth=4, depth=3)
with contextlib.redirect_stdout(io.StringIO()):
    best = optimizer.compile(
        dspy.Predict(dspy.Signature("question -> answer", "Say yes.")), trainset=examples,
        eval_kwargs={"num_threads": 1, "display_progress": False},
    )
sent = [str(call["messages"]) for call in task.history]
with_prefix = sum("Prefix" in text for text in sent)
print(f"programs evaluated: {best.total_calls}, in {len(sent)} calls of the task's model")
print(f"candidates returned: {len(best.candidate_programs)}")
print(f"different prompts sent for {len(examples)} examples: {len(set(sent))}")
print(f"prompts with a proposed prefix: {with_prefix}")
assert (best.total_calls, len(sent), len(best.candidate_programs)) == (12, 36, 12)
assert (len(set(sent)), with_prefix) == (6, 0)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
