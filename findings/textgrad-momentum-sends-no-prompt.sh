#!/usr/bin/env bash
# TextGrad: the optimizer with momentum sends no prompt: the model sees neither the variable nor its feedback.
#
# Seen on 2026-12-01 with textgrad 0.1.8, CPython 3.11.
# Expected: `TextualGradientDescentwithMomentum` sends what `TextualGradientDescent` does, and the past values.
# Seen:     its `_update_prompt` builds the prompt, logs it and returns nothing. The engine is called with None beside
#           the system prompt; an engine that formats it writes a variable from the text "None".
#
# Output seen:
#   TextualGradientDescent: a prompt with the variable and its feedback
#   TextualGradientDescentwithMomentum: None
#   new value of the variable: any text
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check textgrad==0.1.8
cd "$folder"
cat >finding.py <<'PYTHON'
import textgrad
from textgrad.engine import EngineLM
from textgrad.optimizer import TextualGradientDescent, TextualGradientDescentwithMomentum


class Model(EngineLM):
    """Keeps its prompts and proposes one text."""

    model_string = "model"

    def __init__(self):
        self.prompts = []

    def generate(self, prompt, system_prompt=None, **_):
        self.prompts.append(prompt)
        return "<IMPROVED_VARIABLE>any text</IMPROVED_VARIABLE>"

    __call__ = generate


def step(optimizer, **options):
    """Prompt of one step, and the value after it."""
    model = Model()
    variable = textgrad.Variable("Answer in one word.", role_description="system prompt")
    variable.gradients.add(textgrad.Variable("Ask for the reason too.", role_description="feedback"))
    optimizer(parameters=[variable], engine=model, **options).step()
    (prompt,) = model.prompts
    return prompt, variable.value


plain, _ = step(TextualGradientDescent)
momentum, value = step(TextualGradientDescentwithMomentum, momentum_window=3)
complete = "Answer in one word." in plain and "Ask for the reason too." in plain
print("TextualGradientDescent: a prompt with the variable and its feedback" if complete else plain)
print(f"TextualGradientDescentwithMomentum: {momentum}")
print(f"new value of the variable: {value}")
assert complete
assert momentum is None
assert value == "any text"
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
