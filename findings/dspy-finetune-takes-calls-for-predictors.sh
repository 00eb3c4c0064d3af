#!/usr/bin/env bash
# DSPy: BootstrapFinetune(multitask=False) trains the n-th predictor's model on the n-th call: in a loop, on other steps.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: multitask=False makes a training set for each predictor: the model of `search` learns from the calls of
#           `search`, the one of `answer` from those of `answer`.
# Seen:     calls are taken by their position in the program's trace. The program searches three times and then answers, so
#           that the second call, a search, trains the model that answers. No answer is in any training set, and
#           compile replaces the model of `answer` by the one that has learned to write queries. Nothing is logged.
#
# Output seen:
#   multitask=True, one model: 12 x query, 4 x answer
#   multitask=False, the model of search: 4 x query
#   multitask=False, the model of answer: 4 x query
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
from collections import Counter

import dspy
from dspy.clients.provider import Provider

training_sets = []


class Trainer(Provider):
    """Keeps what a fine-tuning job gets."""

    def __init__(self):
        super().__init__()
        self.finetunable = True

    @staticmethod
    def finetune(job, model, train_data, train_data_format, train_kwargs=None):
        training_sets.append(train_data)
        return model


class Model(dspy.LM):
    """Answers the one output field that the prompt asks for."""

    def __call__(self, prompt=None, messages=None, **settings):
        field = "query" if "`[[ ## query ## ]]`" in messages[-1]["content"] else "answer"
        return [f"[[ ## {field} ## ]]\ntext\n\n[[ ## completed ## ]]"]


class Answer(dspy.Module):
    def __init__(self):
        super().__init__()
        self.search = dspy.Predict("question, notes -> query")
        self.answer = dspy.Predict("question, notes -> answer")

    def forward(self, question):
        notes = []
        for _ in range(3):
            notes.append(self.search(question=question, notes=notes).query)
        return self.answer(question=question, notes=notes)


def counted(fields):
    counts = Counter(fields)
    return ", ".join(f"{counts[name]} x {name}" for name in ("query", "answer") if counts[name])


def trained(training_set):
    """The output field of each example in it."""
    answers = (data["messages"][-1]["content"] for data in training_set)
    return counted("query" if "[[ ## query ## ]]" in answer else "answer" for answer in answers)


examples = [dspy.Example(question=str(number)).with_inputs("question") for number in range(4)]
seen = {}
for multitask in (True, False):
    lm = Model("openai/any", provider=Trainer(), cache=False)
    dspy.configure(lm=lm)
    program = Answer()
    program.set_lm(lm)
    training_sets.clear()
    with contextlib.redirect_stdout(io.StringIO()):
        dspy.BootstrapFinetune(multitask=multitask, num_threads=2).compile(program, trainset=examples)
    seen[multitask] = [trained(training_set) for training_set in training_sets]
print(f"multitask=True, one model: {seen[True][0]}")
print(f"multitask=False, the model of search: {seen[False][0]}")
print(f"multitask=False, the model of answer: {seen[False][1]}")
assert seen == {True: ["12 x query, 4 x answer"], False: ["4 x query", "4 x query"]}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
