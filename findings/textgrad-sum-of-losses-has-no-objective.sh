#!/usr/bin/env bash
# TextGrad: in a batch, the feedback on each answer is asked for without an objective.
#
# Seen on 2026-12-01 with textgrad 0.1.8, CPython 3.11.
# Expected: `textgrad.sum(losses).backward()` requests feedback on each answer by its evaluation, in the words in which
#           `loss.backward()` does it for one.
# Seen:     the sum adds two empty gradients to each loss. Joined by a line break they are not empty, so that a loss is
#           taken for an inner step: "improve the above metric" is replaced by "address the following feedback", and no
#           feedback follows. The evaluation is shown as a step that is used elsewhere.
#
# Output seen:
#   one loss: Our only goal is to improve the above metric, and nothing else.
#   sum of 2: Your goal is to give feedback to the variable to address the following feedback on the LM_OUTPUT:
#   gradients of each loss in the sum: ['', '']
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check textgrad==0.1.8
cd "$folder"
cat >finding.py <<'PYTHON'
import re

import textgrad
from textgrad.engine import EngineLM


class Model(EngineLM):
    """Keeps its prompts and returns one answer."""

    model_string = "model"

    def __init__(self):
        self.prompts = []

    def generate(self, prompt, system_prompt=None, **_):
        self.prompts.append(prompt)
        return "Paris"

    __call__ = generate


model = Model()
textgrad.set_backward_engine(model)
instruction = textgrad.Variable("Answer.", role_description="system prompt")
program = textgrad.BlackboxLLM(model, system_prompt=instruction)
judge = textgrad.TextLoss("Is the answer right and short?", engine=model)


def loss(question):
    return judge(program(textgrad.Variable(question, requires_grad=False, role_description="question")))


def objectives(total):
    """Objectives of the prompts for feedback on an answer, by its evaluation."""
    model.prompts.clear()
    total.backward()
    prompts = [prompt for prompt in model.prompts if "Is the answer right and short?" in prompt]
    pattern = re.compile("<OBJECTIVE_FUNCTION>(.*?)</OBJECTIVE_FUNCTION>", re.DOTALL)
    return [pattern.search(prompt)[1].strip() for prompt in prompts]


(alone,) = objectives(loss("What is the capital of France?"))
losses = [loss("What is the capital of France?"), loss("What is the capital of Italy?")]
batch = objectives(textgrad.sum(losses))
gradients = [[gradient.value for gradient in one.gradients] for one in losses]
print("one loss: " + alone.split(". ", 1)[1])
print(f"sum of 2: {batch[0]}")
print(f"gradients of each loss in the sum: {gradients[0]}")
assert "Our only goal is to improve the above metric" in alone
assert len(batch) == 2
assert all(objective.endswith("address the following feedback on the LM_OUTPUT:") for objective in batch)
assert gradients == [["", ""], ["", ""]]
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
