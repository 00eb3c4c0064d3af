#!/usr/bin/env bash
# MLflow: after one score of NaN `search_traces` raises for the whole experiment, and an evaluation passes.
#
# Seen on 2026-11-30 with mlflow 3.17.2, CPython 3.11.
# Expected: `log_feedback` and scorers take a float; one that is NaN, as that of a mean over nothing, is NaN in the data
#           frame of `search_traces` and in `result_df` of `mlflow.genai.evaluate`, beside the others.
# Seen:     it is stored. To make the data frame of `search_traces`, its default, each score is converted by protobuf's
#           JSON format, which has no NaN: the call raises, whichever other traces were asked for, until the score is
#           deleted. `mlflow.genai.evaluate` catches this: `result_df`, and with it all scores of all rows and scorers,
#           is None, with a line in the log at level DEBUG, and `result.passed` is True: a gate in CI does not see the
#           answers that another scorer has found wrong.
#
# Output seen:
#   two scores: 2 traces
#   one more, NaN: SerializeToJsonError
#   the same as a list: 3 traces
#   evaluate, a right and a wrong answer, overlaps (0.5, 0.0): table of 2 rows, passed False
#   evaluate, a right and a wrong answer, overlaps (0.5, nan): no table, passed True
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
from mlflow.genai.scorers import scorer

mlflow.set_tracking_uri("sqlite:///mlflow.db")
NAN = float("nan")


def scored(value):
    with mlflow.start_span("call") as span:
        pass
    mlflow.flush_trace_async_logging()
    mlflow.log_feedback(trace_id=span.trace_id, name="overlap", value=value)


def found(**way):
    try:
        return f"{len(mlflow.search_traces(**way))} traces"
    except Exception as error:
        return type(error).__name__


scored(1.0)
scored(0.0)
seen = [found()]
print(f"two scores: {seen[0]}")
scored(NAN)
seen += [found(), found(return_type="list")]
print(f"one more, NaN: {seen[1]}")
print(f"the same as a list: {seen[2]}")
assert seen == ["2 traces", "SerializeToJsonError", "3 traces"]


@scorer
def right(outputs):
    return outputs == "right"


def evaluated(*overlaps):
    """Evaluate a right and a wrong answer, with a second score for each."""

    @scorer(pass_if=lambda value: value >= 0)
    def overlap(inputs):
        return overlaps[inputs["row"]]

    data = [{"inputs": {"row": row}, "outputs": answer} for row, answer in enumerate(("right", "wrong"))]
    mlflow.set_experiment(f"overlaps {overlaps}")
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        result = mlflow.genai.evaluate(data=data, scorers=[right, overlap])
    table = "no table" if result.result_df is None else f"table of {len(result.result_df)} rows"
    print(f"evaluate, a right and a wrong answer, overlaps {overlaps}: {table}, passed {result.passed}")
    return table, result.passed


assert evaluated(0.5, 0.0) == ("table of 2 rows", False)
assert evaluated(0.5, NAN) == ("no table", True)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
