#!/usr/bin/env bash
# DSPy: where the answer of a later step cannot be parsed, GEPA shows it with the program's inputs, not with the step's.
#
# Seen on 2026-11-30 with dspy 3.4.1, gepa 0.1.4, CPython 3.11.
# Expected: with add_format_failure_as_feedback the reflection model sees what the step was given and what was answered.
# Seen:     the failed call is added to the trace with the arguments of the whole program (bootstrap_trace_data,
#           `failed_inputs = kwargs`). A step that answers from passages is shown with the question and no passages,
#           answers that can be parsed with both. GRPO, which trains on failed calls too, trains on such prompts.
#
# Output seen:
#   answer that can be parsed: inputs shown: passages, question
#   answer that cannot: inputs shown: question
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 gepa==0.1.4
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io
import json
import re

import dspy

examples = [dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(3)]
# As the chat adapter asks for it, and as the JSON adapter does, which asks again.
ANSWERS = {
    "answer that can be parsed": ("[[ ## answer ## ]]\nno\n\n[[ ## completed ## ]]", '{"answer": "no"}'),
    "answer that cannot": ("I do not know.", "I do not know."),
}


class Model(dspy.BaseLM):
    def __init__(self, answers):
        super().__init__("model")
        self.answers = answers

    def __call__(self, prompt=None, messages=None, **settings):
        if "`query`" in messages[0]["content"]:
            return ["[[ ## query ## ]]\nsearch\n\n[[ ## completed ## ]]"]
        return [self.answers["JSON object" in messages[-1]["content"]]]


class Reflection(dspy.BaseLM):
    def __init__(self):
        super().__init__("reflection")
        self.inputs = set()

    def __call__(self, prompt=None, messages=None, **settings):
        shown = re.search(r"## examples_with_feedback ## \]\]\n(\[.*\])\n", messages[-1]["content"]).group(1)
        if "produce the fields `answer`" in messages[-1]["content"]:
            self.inputs |= {", ".join(sorted(one["Inputs"])) for one in json.loads(shown)}
        return ['{"new_instruction": "Try again."}']


class Search(dspy.Module):
    def __init__(self):
        super().__init__()
        self.search = dspy.Predict("question -> query")
        self.respond = dspy.Predict("passages, question -> answer")

    def forward(self, question):
        query = self.search(question=question).query
        return self.respond(passages=f"What is found for {query}.", question=question)


def metric(example, prediction, trace=None, pred_name=None, pred_trace=None):
    return dspy.Prediction(score=float(example.answer == prediction.answer), feedback="The answer is yes.")


seen = []
for text, answers in ANSWERS.items():
    reflection = Reflection()
    optimizer = dspy.GEPA(
        metric=metric, max_metric_calls=20, reflection_lm=reflection, num_threads=1, reflection_minibatch_size=1,
        add_format_failure_as_feedback=True,
    )
    with dspy.context(lm=Model(answers)), contextlib.redirect_stdout(io.StringIO()):
        optimizer.compile(Search(), trainset=examples, valset=examples)
    (shown,) = reflection.inputs
    seen.append(shown)
    print(f"{text}: inputs shown: {shown}")
assert seen == ["passages, question", "question"]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
