#!/usr/bin/env bash
# DSPy: with the XML adapter an answer that has an ampersand or a less-than sign is thrown away, and the model asked again.
#
# Seen on 2026-11-28 with dspy 3.4.1, CPython 3.11.
# Expected: <department>R&D</department> is the answer 'R&D': the prompt asks for tags, and not for escaped XML.
# Seen:     the answer is parsed as strict XML, which fails, and the same question is sent once more by the JSON adapter:
#           two calls, twice the tokens. Traces show two calls of the model, and nothing says why; DSPy logs no line.
#
# Output seen:
#   'Sales': 1 call
#   'R&D': 2 calls, the second asks for JSON
#   'x < 5': 2 calls, the second asks for JSON
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


seen = []
for answer in ("Sales", "R&D", "x < 5"):
    engine = Engine(
        lambda request: f"<department>{answer}</department>" if "XML" in request else json.dumps({"department": answer})
    )
    with dspy.context(lm=dspy.LM("openai/model", engine=engine, cache=False), adapter=dspy.XMLAdapter()):
        assert dspy.Predict("employee -> department")(employee="Ada").department == answer
    seen.append(len(engine.requests))
    again = "s, the second asks for JSON" if "JSON" in str(engine.requests[-1]) else ""
    print(f"{answer!r}: {len(engine.requests)} call{again}")
assert seen == [1, 2, 2]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
