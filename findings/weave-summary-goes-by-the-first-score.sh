#!/usr/bin/env bash
# Weave: the score of an evaluation depends on the order of its rows, and on whether a verdict is True or 1.0.
#
# Seen on 2026-12-01 with weave 0.54.0, CPython 3.11.
# Expected: a scorer returns True for an answer that is right and a part of 1 for one that is close: the summary has the
#           mean, 0.45 for 1, 0.4, 0.3 and 0.1, in whatever order the rows are. A program that fails for two of four rows
#           has one score, whether its right answers are scored with True or with 1.0.
# Seen:     Weave summarizes a column by the type of its first score. If that is True or False, each other score counts as
#           true unless it is 0: the same rows have a `true_fraction` of 1.0, or a `mean` of 0.45 with another row first.
#           Rows without a score count in the fraction of truth values, and not in the mean of numbers: the program that
#           fails for half of the rows has 0.5 by True and 1.0 by 1.0. No warning names any of it.
#
# Output seen:
#   the right answer first: {'true_count': 4, 'true_fraction': 1.0}
#   the right answer last: {'mean': 0.45}
#   fails for half of the rows, right is True: {'true_count': 2, 'true_fraction': 0.5}
#   fails for half of the rows, right is 1.0: {'mean': 1.0}
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check weave==0.54.0
cd "$folder"
cat >finding.py <<'PYTHON'
import asyncio

import weave

ROWS = [{"question": number, "expected": "Paris"} for number in range(4)]
ANSWERS = ("Paris", "Pari", "Par", "P")


@weave.op
def program(question):
    return ANSWERS[question]


@weave.op
def failing(question):
    if question % 2:
        raise RuntimeError("the model is down")
    return "Paris"


@weave.op
def closeness(expected, output):
    return True if output == expected else len(output) / len(expected) / 2


@weave.op
def right(expected, output):
    return output == expected


@weave.op
def right_as_number(expected, output):
    return float(output == expected)


def summary(model, scorer, rows):
    evaluation = weave.Evaluation(dataset=rows, scorers=[scorer])
    return asyncio.run(evaluation.evaluate(model))[scorer.name]


seen = []
for title, model, scorer, rows in (
    ("the right answer first", program, closeness, ROWS),
    ("the right answer last", program, closeness, ROWS[::-1]),
    ("fails for half of the rows, right is True", failing, right, ROWS),
    ("fails for half of the rows, right is 1.0", failing, right_as_number, ROWS),
):
    found = summary(model, scorer, rows)
    if "mean" in found:
        found = {"mean": round(found["mean"], 6)}
    seen.append(found)
    print(f"{title}: {found}")
assert seen == [
    {"true_count": 4, "true_fraction": 1.0},
    {"mean": 0.45},
    {"true_count": 2, "true_fraction": 0.5},
    {"mean": 1.0},
]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
