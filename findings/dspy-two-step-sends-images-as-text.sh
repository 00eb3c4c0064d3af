#!/usr/bin/env bash
# DSPy: TwoStepAdapter sends an image as its base64 text, and a conversation as the text of Python's repr.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: the first model gets the image as an image and the turns of `dspy.History` as messages, as with the other
#           adapters; reasoning models, for which this adapter is, take both.
# Seen:     the adapter's own `format` fills values into one text. The image is DSPy's internal marker with the base64
#           inside, so that it costs the tokens of that text (a picture of 1 MB: 1.3 million characters) and is not seen.
#           The turns are one line, `messages=[{...}]`.
#
# Output seen:
#   ChatAdapter: system, user, assistant, user; image sent as image_url
#   TwoStepAdapter: system, user; image sent as text
#   image: <<CUSTOM-TYPE-START-IDENTIFIER>>[{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]<<CUSTOM-TYPE-END-IDENTIFIER>>
#   history: messages=[{'question': 'What is it?', 'answer': 'A cat.'}]
#   question: Which color?
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

ANSWER = "[[ ## answer ## ]]\nBlack.\n\n[[ ## completed ## ]]"


class Model(dspy.BaseLM):
    def __init__(self):
        super().__init__("model")
        self.prompts = []

    def __call__(self, prompt=None, messages=None, **settings):
        self.prompts.append(messages)
        return [ANSWER]


class About(dspy.Signature):
    """Answer questions about an image."""

    image: dspy.Image = dspy.InputField()
    history: dspy.History = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


seen = {}
for adapter in (dspy.ChatAdapter(), dspy.TwoStepAdapter(Model())):
    model = Model()
    with dspy.context(lm=model, adapter=adapter):
        dspy.Predict(About)(
            image=dspy.Image("data:image/png;base64,iVBORw0KGgo="),
            history=dspy.History(messages=[{"question": "What is it?", "answer": "A cat."}]),
            question="Which color?",
        )
    (messages,) = model.prompts
    content = messages[-1]["content"]
    parts = [part["type"] for part in content] if isinstance(content, list) else ["text"]
    kind = "image_url" if "image_url" in parts else "text"
    roles = ", ".join(message["role"] for message in messages)
    seen[type(adapter).__name__] = roles, kind
    print(f"{type(adapter).__name__}: {roles}; image sent as {kind}")
print(content.replace("\n\n", "\n"))
assert seen == {
    "ChatAdapter": ("system, user, assistant, user", "image_url"),
    "TwoStepAdapter": ("system, user", "text"),
}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
