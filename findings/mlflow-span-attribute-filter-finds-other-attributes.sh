#!/usr/bin/env bash
# MLflow: search_traces by one span attribute also finds traces in which another attribute has the text.
#
# Seen on 2026-11-29 with mlflow 3.17.2 on SQLite, CPython 3.11.
# Expected: span.attributes.`gen_ai.request.model` LIKE '%gpt-4o%' finds the spans whose model is gpt-4o.
# Seen:     LIKE is applied to the whole span as JSON, from the name of the attribute on: the text may come in any other
#           attribute, in an event or in the inputs. A call of llama that is asked about gpt-4o is found. A pattern without
#           a leading % finds nothing, as the value stands in quotes there. RLIKE has no end of the value either. Counts of
#           traces by model or tool, and data sets made of what was found, have others among them.
#
# Output seen:
#   LIKE '%gpt-4o%': ['gpt-4o', 'llama-3']
#   LIKE 'gpt-4o': []
#   RLIKE 'gpt-4o': ['gpt-4o', 'llama-3']
#   RLIKE '^gpt-4o$': ['gpt-4o']
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
import mlflow

NAME = "gen_ai.request.model"
mlflow.set_tracking_uri("sqlite:///mlflow.db")
experiment = mlflow.set_experiment("finding")
for model, question in (("gpt-4o", "What is 1+1?"), ("llama-3", "Is gpt-4o better than you?"), ("claude", "Hello")):
    with mlflow.start_span("chat") as span:
        span.set_attributes({NAME: model, "question": question})
mlflow.flush_trace_async_logging()
seen = {}
for comparison in ("LIKE '%gpt-4o%'", "LIKE 'gpt-4o'", "RLIKE 'gpt-4o'", "RLIKE '^gpt-4o$'"):
    found = mlflow.search_traces(
        locations=[experiment.experiment_id],
        filter_string=f"span.attributes.`{NAME}` {comparison}",
        return_type="list",
    )
    seen[comparison] = sorted(trace.data.spans[0].attributes[NAME] for trace in found)
    print(f"{comparison}: {seen[comparison]}")
assert list(seen.values()) == [["gpt-4o", "llama-3"], [], ["gpt-4o", "llama-3"], ["gpt-4o"]]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
