#!/usr/bin/env bash
# DSPy: the value of an input field named `config` is not in the prompt: its entries become parameters of the request.
#
# Seen on 2026-11-28 with dspy 3.4.1, CPython 3.11.
# Expected: dspy.Predict("question, config: dict -> answer") shows the model both inputs, or refuses the name when the
#           signature is made.
# Seen:     `config`, `demos`, `lm` and `signature` are taken out of the inputs of a call. The prompt announces a field
#           `config` and has none; what was in it changes the model's temperature, or fails at the provider. One warning
#           says that the field is missing, although it was given.
#
# Output seen:
#   announced: True
#   in the prompt: False
#   temperature of the request: 2.0
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


engine = Engine(lambda request: "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]")
dspy.configure(lm=dspy.LM("openai/model", engine=engine, cache=False))
dspy.Predict("question, config: dict -> answer")(question="Is the oven too hot?", config={"temperature": 2.0})
(request,) = engine.requests
announced = "`config` (dict)" in str(request)
shown = "config" in request.messages[-1].parts[0].text
print(f"announced: {announced}")
print(f"in the prompt: {shown}")
print(f"temperature of the request: {request.config.temperature}")
assert announced and not shown and request.config.temperature == 2.0
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
