#!/usr/bin/env bash
# DSPy: InferRules ends with an empty AssertionError where its examples do not fit into the model's context.
#
# Seen on 2026-12-01 with dspy 3.4.1, CPython 3.11.
# Expected: InferRules shows the model all training examples, and leaves out the last one, again and again, until they
#           fit: this is what its loop is for, and what its message "a single example couldn't fit" is about.
# Seen:     the loop looks for the name of LiteLLM's error in the text of the error, which is there with
#           engine="litellm" alone. With DSPy's own engine, the default, the first prompt that is too long ends the
#           optimization with an AssertionError without a text. So does, with any engine, an answer that cannot be
#           parsed.
#
# Output seen:
#   the text of LiteLLM's error: 3 induction(s), rules: Answer x.
#   the text of DSPy's own error: 1 induction(s), AssertionError('')
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

import dspy
from dspy.lm15 import ContextLengthError, Message, Response, TextPart, Usage


class Model:
    """Has room for two examples."""

    def __init__(self, error):
        self.error = error
        self.inductions = 0

    def complete(self, request):
        asked = request.messages[-1].parts[0].text
        text = "[[ ## answer ## ]]\nx\n\n[[ ## completed ## ]]"
        if "[[ ## examples_text ## ]]" in asked:
            self.inductions += 1
            if asked.count("Input Fields:") > 2:
                raise self.error
            text = "[[ ## reasoning ## ]]\nAll are x.\n\n[[ ## natural_language_rules ## ]]\nAnswer x."
        return Response(
            id="1", model="model", message=Message(role="assistant", parts=(TextPart(text=text),)),
            finish_reason="stop", usage=Usage(),
        )


TRAINSET = [dspy.Example(question=str(number), answer="x").with_inputs("question") for number in range(8)]
ERRORS = {
    "the text of LiteLLM's error": ContextLengthError("litellm.ContextWindowExceededError: the prompt is too long"),
    "the text of DSPy's own error": ContextLengthError("the prompt is too long"),
}
seen = {}
for name, error in ERRORS.items():
    model = Model(error)
    dspy.configure(lm=dspy.LM("openai/model", engine=model, cache=False))
    optimizer = dspy.InferRules(metric=lambda example, prediction, trace=None: True, num_candidates=1, num_threads=1)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            program = optimizer.compile(dspy.Predict("question -> answer"), trainset=TRAINSET)
        result = f"rules: {program.signature.instructions.splitlines()[-1]}"
    except AssertionError as failure:
        result = f"AssertionError({str(failure)!r})"
    seen[name] = model.inductions, result
    print(f"{name}: {model.inductions} induction(s), {result}")
# four of the eight examples are the training set: 4, 3 and 2 of them
assert seen["the text of LiteLLM's error"] == (3, "rules: Answer x.")
assert seen["the text of DSPy's own error"] == (1, "AssertionError('')")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
