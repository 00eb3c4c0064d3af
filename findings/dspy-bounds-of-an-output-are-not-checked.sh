#!/usr/bin/env bash
# DSPy: bounds of an output, as `dspy.OutputField(ge=1, le=5)`, are not checked: a judge's score of 9 is returned.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: a value outside the bounds is rejected, as one of a wrong type is, and as the same bounds are inside a model
#           or a list. The bounds are arguments of pydantic's Field, and the prompt has them ("Constraints: ...").
# Seen:     the adapters check a value against the field's type alone (`parse_value` with `field.annotation`). Bounds of
#           `OutputField` and of an `Annotated` type, patterns and lengths are dropped: a metric that returns the score
#           of such a judge raises the mean of a scale from 1 to 5 above 5.
#
# Output seen:
#   score: int = OutputField(ge=1, le=5), in the prompt: True: score=9
#   score: Annotated[int, Field(ge=1, le=5)]: score=9
#   score: list[Annotated[int, Field(ge=1, le=5)]]: AdapterParseError
#   score: a model with value: int = Field(ge=1, le=5): AdapterParseError
#   score: int, answered 'high': AdapterParseError
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
from typing import Annotated

import dspy
from dspy.utils.exceptions import AdapterParseError
from pydantic import BaseModel, Field


class Grade(BaseModel):
    value: int = Field(ge=1, le=5)


class Model(dspy.BaseLM):
    def __init__(self, answer):
        super().__init__("model")
        self.answer = answer
        self.prompts = []

    def __call__(self, prompt=None, messages=None, **settings):
        self.prompts.append(messages)
        # As the chat adapter asks for it, and as the JSON adapter does, which asks again.
        if "JSON object" in messages[-1]["content"]:
            return [f'{{"score": {self.answer}}}']
        return [f"[[ ## score ## ]]\n{self.answer}\n\n[[ ## completed ## ]]"]


def judged(annotation, field, answer):
    signature = dspy.Signature({"text": (str, dspy.InputField()), "score": (annotation, field)}, "Judge a text.")
    model = Model(answer)
    with dspy.context(lm=model):
        try:
            return model, f"score={dspy.Predict(signature)(text='It is so.').score}"
        except AdapterParseError as error:
            return model, type(error).__name__


bounded = Annotated[int, Field(ge=1, le=5)]
model, direct = judged(int, dspy.OutputField(ge=1, le=5), "9")
told = "Constraints: greater than or equal to: 1, less than or equal to: 5" in model.prompts[0][0]["content"]


class Annotation(dspy.Signature):
    """Judge a text."""

    text: str = dspy.InputField()
    score: bounded = dspy.OutputField()


with dspy.context(lm=Model("9")):
    annotated = f"score={dspy.Predict(Annotation)(text='It is so.').score}"
_, listed = judged(list[bounded], dspy.OutputField(), "[9]")
_, inside = judged(Grade, dspy.OutputField(), '{"value": 9}')
_, text = judged(int, dspy.OutputField(), '"high"')
print(f"score: int = OutputField(ge=1, le=5), in the prompt: {told}: {direct}")
print(f"score: Annotated[int, Field(ge=1, le=5)]: {annotated}")
print(f"score: list[Annotated[int, Field(ge=1, le=5)]]: {listed}")
print(f"score: a model with value: int = Field(ge=1, le=5): {inside}")
print(f"score: int, answered 'high': {text}")
assert (told, direct, annotated) == (True, "score=9", "score=9")
assert listed == inside == text == "AdapterParseError"
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
