#!/usr/bin/env bash
# MLflow: two scorers of one name, as two `Guidelines`, have one mean over both, and one of their values in each row.
#
# Seen on 2026-11-30 with mlflow 3.17.2, CPython 3.11.
# Expected: `Guidelines(guidelines=...)` needs no name, and two of them are two scores; or the second one is refused.
# Seen:     both are called 'guidelines', and nothing is logged. `metrics` has one mean over the values of both, the
#           table of results has for each row the value of one of them, not always of the same one, and a trace has two
#           assessments of the same name. A scorer that every row passes and one that every row fails give 0.5.
#
# Output seen:
#   names: guidelines, guidelines
#   metrics: {'polite/mean': 0.5}
#   columns of the table: polite/value
#   assessments of a trace: [('polite', 0.0), ('polite', 1.0)]
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
cat >finding.py <<'PYTHON'
import contextlib
import io

import mlflow
from mlflow.genai.scorers import Guidelines, scorer

names = [Guidelines(guidelines=text).name for text in ("Be polite.", "Be short.")]
print(f"names: {', '.join(names)}")
assert names == ["guidelines", "guidelines"]


def constant(value):
    return scorer(lambda outputs: value, name="polite")


mlflow.set_tracking_uri("sqlite:///mlflow.db")
data = [{"inputs": {"question": text}, "outputs": "Hello."} for text in "ab"]
with contextlib.redirect_stdout(io.StringIO()):
    result = mlflow.genai.evaluate(data=data, scorers=[constant(1.0), constant(0.0)])
metrics = {name: float(value) for name, value in result.metrics.items()}
print(f"metrics: {metrics}")
columns = [name for name in result.result_df if name.endswith("/value")]
print(f"columns of the table: {', '.join(columns)}")
(trace, _) = mlflow.search_traces(return_type="list")
found = sorted((assessment.name, assessment.value) for assessment in trace.info.assessments)
print(f"assessments of a trace: {found}")
assert metrics == {"polite/mean": 0.5}
assert columns == ["polite/value"]
assert found == [("polite", 0.0), ("polite", 1.0)]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
