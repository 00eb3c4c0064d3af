#!/usr/bin/env bash
# DSPy: with TwoStepAdapter a program whose output is named `text` gets a text that no model was asked about.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: the second model gets the first one's answer and extracts the output fields from it, whatever their names.
# Seen:     the answer is passed as an input named `text`, and an output of that name replaces this input
#           (`_create_extractor_signature`). The second model gets its instruction alone, and what it makes up is the
#           prediction. There is no error and no line in the log.
#
# Output seen:
#   output `reply`: the second model sees the first one's answer: True
#   output `text`: the second model sees the first one's answer: False
#   Respond with the corresponding output fields, starting with the field `[[ ## text ## ]]`, and then ending with the marker for `[[ ## completed ## ]]`.
#   prediction: 'Lorem ipsum.'
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

ANSWER = "The cat sat on the mat."


class Model(dspy.BaseLM):
    def __init__(self, name, answer):
        super().__init__(name)
        self.answer = answer
        self.prompts = []

    def __call__(self, prompt=None, messages=None, **settings):
        self.prompts.append(messages)
        return [self.answer]


seen = {}
for name in ("reply", "text"):
    extraction = Model("extraction", f"[[ ## {name} ## ]]\nLorem ipsum.\n\n[[ ## completed ## ]]")
    with dspy.context(lm=Model("main", ANSWER), adapter=dspy.TwoStepAdapter(extraction)):
        prediction = dspy.Predict(f"request -> {name}")(request="Write a sentence about a cat.")
    (messages,) = extraction.prompts
    seen[name] = any(ANSWER in message["content"] for message in messages)
    print(f"output `{name}`: the second model sees the first one's answer: {seen[name]}")
print(messages[-1]["content"])
print(f"prediction: {prediction.text!r}")
assert seen == {"reply": True, "text": False}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
