#!/usr/bin/env bash
# DSPy: Refine gives two steps of one signature the same advice: that for the last of them.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: the model is asked for advice for each module by name ("draft", "revise"), and each gets its own as a hint in
#           the next attempt.
# Seen:     the hint is looked up by the predictor's signature. Two predictors of one signature class share it, as a chain
#           of equal steps does, and the later name wins: `draft` gets what was meant for `revise`. What was paid for
#           the advice for `draft` is not used, and the hint is about another step.
#
# Output seen:
#   advice: {'draft': 'shorten it', 'revise': 'do not shorten it'}
#   hint of draft: do not shorten it
#   hint of revise: do not shorten it
#   with two classes: hint of draft: shorten it
#   with two classes: hint of revise: do not shorten it
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
import json

import dspy
from dspy.lm15 import Message, Response, TextPart, Usage

ADVICE = {"draft": "shorten it", "revise": "do not shorten it"}


class Engine:
    """Gives the advice where it is asked for, else a text."""

    def __init__(self):
        self.asked = []

    def complete(self, request):
        prompt = request.messages[-1].parts[0].text
        self.asked.append(prompt)
        answer = {"discussion": "none", "advice": json.dumps(ADVICE)} if "reward_code" in prompt else {"result": "a text"}
        text = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in answer.items())
        message = Message(role="assistant", parts=(TextPart(text=f"{text}\n\n[[ ## completed ## ]]"),))
        return Response(id="1", model="model", message=message, finish_reason="stop", usage=Usage())


class Write(dspy.Signature):
    """Write a text."""

    text: str = dspy.InputField()
    result: str = dspy.OutputField()


class Rewrite(dspy.Signature):
    """Write a better text."""

    text: str = dspy.InputField()
    result: str = dspy.OutputField()


class Program(dspy.Module):
    def __init__(self, second):
        super().__init__()
        self.draft, self.revise = dspy.Predict(Write), dspy.Predict(second)

    def forward(self, text):
        return self.revise(text=f"revise: {self.draft(text=f'draft: {text}').result}")


def hints(second):
    """The hint that each step got in the second attempt."""
    engine = Engine()
    with dspy.context(lm=dspy.LM("openai/model", engine=engine, cache=False)):
        dspy.Refine(module=Program(second), N=2, reward_fn=lambda inputs, prediction: 0.0, threshold=1.0)(text="a subject")
    found = {}
    for prompt in engine.asked:
        if "[[ ## hint_ ## ]]\n" in prompt and "reward_code" not in prompt:
            step = "draft" if "draft:" in prompt else "revise"
            found[step] = prompt.split("[[ ## hint_ ## ]]\n")[1].split("\n")[0]
    return found


print(f"advice: {ADVICE}")
shared, own = hints(Write), hints(Rewrite)
for prefix, found in (("", shared), ("with two classes: ", own)):
    for step, hint in found.items():
        print(f"{prefix}hint of {step}: {hint}")
assert shared == {"draft": ADVICE["revise"], "revise": ADVICE["revise"]} and own == ADVICE
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
