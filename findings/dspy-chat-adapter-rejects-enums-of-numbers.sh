#!/usr/bin/env bash
# DSPy: with the chat adapter each right answer of an Enum with numbers is rejected, and costs a second call.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: the prompt asks for "one of: 1; 2; 3", a model answers 2, and the prediction has the member with the value
#           2: one call, as for `Literal[1, 2, 3]`, for `list[Stars]` and for an Enum with texts.
# Seen:     the text '2' is compared with the number 2 and is "not a valid name or value for the enum". The JSON adapter
#           asks again: each prediction has two calls, and its answer is that of another prompt than the optimized one,
#           whose demos show the form that is rejected. Without that fallback the prediction raises. The XML adapter
#           rejects it too.
#
# Output seen:
#   Enum with numbers: 2 calls, <Stars.TWO: 2>
#   Literal[1, 2, 3]: 1 calls, 2
#   list of the Enum: 1 calls, [<Stars.TWO: 2>]
#   Enum with texts: 1 calls, <Size.SMALL: 'small'>
#   Enum with numbers, without the fallback: AdapterParseError
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
import enum
from typing import Literal

import dspy
from dspy.lm15 import Message, Response, Usage
from dspy.utils.exceptions import AdapterParseError


class Stars(enum.Enum):
    ONE, TWO, THREE = 1, 2, 3


class Size(enum.Enum):
    SMALL, LARGE = "small", "large"


class Engine:
    """A model that gives its answer in the format that the prompt asks for."""

    def __init__(self, answer, json):
        self.answer, self.json, self.calls = answer, json, 0

    def complete(self, request):
        self.calls += 1
        text = f"[[ ## rating ## ]]\n{self.answer}\n\n[[ ## completed ## ]]"
        if "JSON object" in request.messages[-1].text:
            text = f'{{"rating": {self.json}}}'
        return Response(
            id=None, model="own", message=Message.assistant(text), finish_reason="stop",
            usage=Usage(input_tokens=1, output_tokens=1, total_tokens=2),
        )


def predict(annotation, answer, json=None, adapter=None):
    engine = Engine(answer, json or answer)
    signature = dspy.Signature("review: str -> rating").with_updated_fields("rating", type_=annotation)
    with dspy.context(lm=dspy.LM("own/model", engine=engine, cache=False), adapter=adapter or dspy.ChatAdapter()):
        return dspy.Predict(signature)(review="Fine.").rating, engine.calls


seen = []
for name, given in (
    ("Enum with numbers", predict(Stars, "2")),
    ("Literal[1, 2, 3]", predict(Literal[1, 2, 3], "2")),
    ("list of the Enum", predict(list[Stars], "[2]")),
    ("Enum with texts", predict(Size, "small", json='"small"')),
):
    seen.append(given)
    print(f"{name}: {given[1]} calls, {given[0]!r}")
assert seen == [(Stars.TWO, 2), (2, 1), ([Stars.TWO], 1), (Size.SMALL, 1)]
try:
    predict(Stars, "2", adapter=dspy.ChatAdapter(use_json_adapter_fallback=False))
except AdapterParseError as error:
    print(f"Enum with numbers, without the fallback: {type(error).__name__}")
else:
    raise AssertionError("parsed")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
