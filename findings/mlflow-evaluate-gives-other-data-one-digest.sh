#!/usr/bin/env bash
# MLflow: two `mlflow.genai.evaluate` runs on other questions with other labels have one data set, by name and digest.
#
# Seen on 2026-11-30 with mlflow 3.17.2, CPython 3.11.
# Expected: the digest is the "(hash, fingerprint) of the dataset": runs on other questions, or on other labels, have
#           another one, and runs of two programs on the same questions have the same.
# Seen:     columns of numbers count, and columns in which each cell is a text; any other column is left out, but for its
#           name. `inputs` and `expectations` of an evaluation are dicts, so that its digest is that of the number of its
#           rows. Where the rows bring their answers along, the digest is that of the answers: the same questions have
#           another one for each program. `mlflow.data.from_pandas` also leaves out truth values, lists, and texts of
#           which one is missing.
#
# Output seen:
#   evaluate, sums: A
#   evaluate, capitals: A
#   evaluate, sums with the answers of one program: B
#   evaluate, sums with the answers of another program: C
#   from_pandas, other texts: two digests
#   from_pandas, other numbers: two digests
#   from_pandas, other truth values: one digest
#   from_pandas, other texts, one missing: one digest
#   from_pandas, other lists: one digest
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
cat >finding.py <<'PYTHON'
import contextlib
import os

import mlflow
import pandas as pd
from mlflow.genai.scorers import scorer

mlflow.set_tracking_uri("sqlite:///mlflow.db")
SUMS = [{"inputs": {"question": f"{n}+1"}, "expectations": {"answer": str(n + 1)}} for n in range(3)]
CAPITALS = [
    {"inputs": {"question": f"Capital of {country}?"}, "expectations": {"answer": city}}
    for country, city in (("France", "Paris"), ("Italy", "Rome"), ("Spain", "Madrid"))
]
digests = []


@scorer
def exact(outputs, expectations):
    return outputs == expectations["answer"]


def evaluated(title, data, **program):
    """Evaluate the data; show which digest the run's data set has, as a letter."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), mlflow.start_run() as run:
        mlflow.genai.evaluate(data=data, scorers=[exact], **program)
    (entry,) = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    if entry.dataset.digest not in digests:
        digests.append(entry.dataset.digest)
    letter = "ABCD"[digests.index(entry.dataset.digest)]
    print(f"evaluate, {title}: {letter}")
    return letter


def answered(answer):
    return [{**row, "outputs": answer} for row in SUMS]


letters = [
    evaluated("sums", SUMS, predict_fn=lambda question: "1"),
    evaluated("capitals", CAPITALS, predict_fn=lambda question: "1"),
    evaluated("sums with the answers of one program", answered("1")),
    evaluated("sums with the answers of another program", answered("2")),
]
assert letters == ["A", "A", "B", "C"]

LABELS = {
    "texts": (["yes", "no"], ["no", "yes"]),
    "numbers": ([1, 0], [0, 1]),
    "truth values": ([True, False], [False, True]),
    "texts, one missing": (["yes", None], ["no", None]),
    "lists": ([["yes"], ["no"]], [["no"], ["yes"]]),
}


def digest(labels):
    questions = ["Is 4 even?", "Is 5 even?"]
    return mlflow.data.from_pandas(pd.DataFrame({"question": questions, "label": labels}), name="parity").digest


for kind, (right, wrong) in LABELS.items():
    one = digest(right) == digest(wrong)
    print(f"from_pandas, other {kind}: {'one digest' if one else 'two digests'}")
    assert one is (kind not in {"texts", "numbers"})
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
