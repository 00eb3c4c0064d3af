#!/usr/bin/env bash
# DSPy: a program with dspy.Retrieve in it can be optimized, and not saved.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: save() writes the state of each part, as it does for a program of predictors alone; Retrieve has a
#           dump_state and a load_state of its own, with the number of passages.
# Seen:     the state of a program passes json_mode to the dump_state of each part, and Retrieve's has no such
#           argument: TypeError, for .json and .pkl. What an optimization has found stays in the process.
#
# Output seen:
#   demos of the optimized program: 2
#   save to program.json: TypeError Retrieve.dump_state() got an unexpected keyword argument 'json_mode'
#   save to program.pkl: TypeError Retrieve.dump_state() got an unexpected keyword argument 'json_mode'
#   the same with a search that is no dspy.Retrieve: saved
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
from dspy.utils import DummyLM

examples = [
    dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(4)
]


class Passages:
    def __call__(self, query, k=3, **_):
        return [dspy.Prediction(long_text=f"{query} {number}") for number in range(k)]


class Search:
    def __call__(self, query):
        return dspy.Prediction(passages=[passage.long_text for passage in Passages()(query)])


class RAG(dspy.Module):
    def __init__(self, search):
        super().__init__()
        self.search = search
        self.answer = dspy.Predict("context, question -> answer")

    def forward(self, question):
        return self.answer(context=self.search(question).passages, question=question)


dspy.configure(lm=DummyLM([{"answer": "yes"}] * 100), rm=Passages())


def saved(program, path):
    try:
        program.save(path)
    except TypeError as error:
        return f"TypeError {error}"
    return "saved"


optimized = dspy.LabeledFewShot(k=2).compile(RAG(dspy.Retrieve(k=3)), trainset=examples)
assert optimized(question="question 5").answer == "yes"
print(f"demos of the optimized program: {len(optimized.answer.demos)}")
seen = [saved(optimized, path) for path in ("program.json", "program.pkl")]
for path, what in zip(("program.json", "program.pkl"), seen):
    print(f"save to {path}: {what}")
other = saved(RAG(Search()), "other.json")
print(f"the same with a search that is no dspy.Retrieve: {other}")
assert len(optimized.answer.demos) == 2 and other == "saved"
assert seen == ["TypeError Retrieve.dump_state() got an unexpected keyword argument 'json_mode'"] * 2
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
