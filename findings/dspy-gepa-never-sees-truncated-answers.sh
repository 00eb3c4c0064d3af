#!/usr/bin/env bash
# DSPy: GEPA's reflection model never sees an answer that lacks a field, also with add_format_failure_as_feedback.
#
# Seen on 2026-11-30 with dspy 3.4.1, gepa 0.1.4, CPython 3.11.
# Expected: with add_format_failure_as_feedback the reflection model sees answers that cannot be parsed. An answer that is
#           cut off by max_tokens, with the reasoning and without the answer, is the most common one of these.
# Seen:     for an answer of which a part was parsed, DSPy divides a list of fields by a list (bootstrap_trace_data,
#           `present / expected`). The TypeError is logged as the example's, and the example has no trace: no feedback
#           about it is given. If all examples of a minibatch are so, no candidate is proposed and the optimization ends
#           with what it was given. An answer of which nothing can be parsed is shown.
#
# Output seen:
#   wrong answers: 8 proposals asked for
#   answers without any field: 8 proposals asked for
#   answers without the last field: 0 proposals asked for
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

import dspy

examples = [dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(4)]
# As the chat adapter asks for it, and as the JSON adapter does, which asks again.
ANSWERS = {
    "wrong answers": (
        "[[ ## reasoning ## ]]\nIt is not.\n\n[[ ## answer ## ]]\nno\n\n[[ ## completed ## ]]",
        '{"reasoning": "It is not.", "answer": "no"}',
    ),
    "answers without any field": ("I do not know.", "I do not know."),
    "answers without the last field": ("[[ ## reasoning ## ]]\nFirst, let us", '{"reasoning": "First, let us'),
}


class Model(dspy.BaseLM):
    def __init__(self, answers):
        super().__init__("model")
        self.answers = answers

    def __call__(self, prompt=None, messages=None, **settings):
        return [self.answers["JSON object" in messages[-1]["content"]]]


class Reflection(dspy.BaseLM):
    def __init__(self):
        super().__init__("reflection")
        self.calls = 0

    def __call__(self, prompt=None, messages=None, **settings):
        self.calls += 1
        return [f'{{"new_instruction": "Instruction {self.calls}."}}']


def metric(example, prediction, trace=None, pred_name=None, pred_trace=None):
    return dspy.Prediction(score=float(example.answer == prediction.answer), feedback="The answer is yes.")


seen = []
for text, answers in ANSWERS.items():
    reflection = Reflection()
    optimizer = dspy.GEPA(
        metric=metric, max_metric_calls=36, reflection_lm=reflection, num_threads=1, reflection_minibatch_size=2,
        add_format_failure_as_feedback=True,
    )
    with dspy.context(lm=Model(answers)), contextlib.redirect_stdout(io.StringIO()):
        optimizer.compile(dspy.ChainOfThought("question -> answer"), trainset=examples, valset=examples)
    seen.append(reflection.calls)
    print(f"{text}: {reflection.calls} proposals asked for")
assert seen == [8, 8, 0]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
