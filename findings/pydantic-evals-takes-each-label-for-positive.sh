#!/usr/bin/env bash
# pydantic-evals: with positive_from="labels" each case is a positive one, those labeled "wrong" too.
#
# Seen on 2026-12-01 with pydantic-evals 2.62.0, CPython 3.11.
# Expected: PrecisionRecallEvaluator, ROCAUCEvaluator and KolmogorovSmirnovEvaluator measure how well a score separates the
#           cases of a label from the others, as they do for an assertion.
# Seen:     a label is a text ("str as labels, and bool as assertions"), and a case is positive if its text is not empty.
#           So all cases are positive: the area under the precision-recall curve is 1.0, the best there is, for a
#           confidence that is always wrong, and the other two have no value. There is no warning.
#
# Output seen:
#   Precision-Recall AUC by the label: 1.0
#   ROC AUC by the label: nan
#   Precision-Recall AUC by the assertion: 0.25
#   ROC AUC by the assertion: 0.0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pydantic-evals==2.62.0
cd "$folder"
cat >finding.py <<'PYTHON'
import math
from dataclasses import dataclass

from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import Evaluator, PrecisionRecallEvaluator, ROCAUCEvaluator


@dataclass
class Review(Evaluator):
    """The confidence of the program, and what a human found: as a label and as an assertion."""

    def evaluate(self, ctx):
        right = ctx.metadata
        return {"confidence": ctx.output, "review": "right" if right else "wrong", "is_right": right}


def confidence(number):
    """Is high for the wrong answers, and low for the right ones."""
    return 0.1 if number % 2 else 0.9


CURVES = [("labels", "review", "label"), ("assertions", "is_right", "assertion")]
dataset = Dataset(
    name="answers",
    cases=[Case(name=str(number), inputs=number, metadata=number % 2 == 1) for number in range(20)],
    evaluators=[Review()],
    report_evaluators=[
        kind(score_key="confidence", positive_from=source, positive_key=key, title=f"{title} by the {name}")
        for source, key, name in CURVES
        for kind, title in [(PrecisionRecallEvaluator, "Precision-Recall"), (ROCAUCEvaluator, "ROC")]
    ],
)
report = dataset.evaluate_sync(confidence, progress=False)
labels = {case.labels["review"].value for case in report.cases}
assert labels == {"right", "wrong"}
values = []
for analysis in report.analyses:
    if analysis.type == "scalar":
        title, name = analysis.title.removesuffix(" AUC").split(" by ")
        values.append(analysis.value)
        print(f"{title} AUC by {name}: {analysis.value}")
assert values[0] == 1.0 and math.isnan(values[1]) and values[2:] == [0.25, 0.0]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
