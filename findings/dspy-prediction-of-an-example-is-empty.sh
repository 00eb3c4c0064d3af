#!/usr/bin/env bash
# DSPy: `dspy.Prediction(example)` has no fields, and `dspy.Example(prediction)` has all.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: the first argument of both is "a dictionary or `Example` to copy fields from". A Prediction of an example is the
#           right answer: what a baseline, a test of a metric or a teacher that knows the labels returns.
# Seen:     the constructor copies the fields only of an object of its own class, and a Prediction of an Example, or of
#           its `labels()`, is empty without an error; with keywords it has these alone. A metric that reads a missing
#           field with `get`, as the one below, scores such a program 0 in place of 1, and one that reads attributes
#           raises, which counts as 0 too.
#
# Output seen:
#   dspy.Prediction(example): {}
#   dspy.Prediction(example, score=1.0): {'score': 1.0}
#   dspy.Prediction(dict(example)): {'question': '2+2?', 'answer': 'four'}
#   dspy.Example(dspy.Prediction(answer='four')): {'answer': 'four'}
#   score of a program that returns the label: 0.0 by Prediction(labels), 100.0 by Prediction(**labels)
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

example = dspy.Example(question="2+2?", answer="four").with_inputs("question")


def same(example, prediction, trace=None):
    return prediction.get("answer") == example.answer


class Oracle(dspy.Module):
    """Returns the label: an upper bound of what a program can score."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, question):
        return self.make(example.labels())


made = {
    "dspy.Prediction(example)": dspy.Prediction(example),
    "dspy.Prediction(example, score=1.0)": dspy.Prediction(example, score=1.0),
    "dspy.Prediction(dict(example))": dspy.Prediction(dict(example)),
    "dspy.Example(dspy.Prediction(answer='four'))": dspy.Example(dspy.Prediction(answer="four")),
}
for code, result in made.items():
    print(f"{code}: {dict(result)}")
assert [list(result) for result in made.values()] == [[], ["score"], ["question", "answer"], ["answer"]]
evaluation = dspy.Evaluate(devset=[example], metric=same, num_threads=1)
scores = evaluation(Oracle(dspy.Prediction)).score, evaluation(Oracle(lambda labels: dspy.Prediction(**labels))).score
print(f"score of a program that returns the label: {scores[0]} by Prediction(labels), {scores[1]} by Prediction(**labels)")
assert scores == (0.0, 100.0)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
