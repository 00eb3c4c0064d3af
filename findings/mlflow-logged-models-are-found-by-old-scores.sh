#!/usr/bin/env bash
# MLflow: `search_logged_models` finds a model by any score that it ever had, and ranks it by its newest one.
#
# Seen on 2026-12-01 with mlflow 3.17.2, CPython 3.11.
# Expected: "metrics.accuracy >= 0.9" finds the models whose accuracy is at least 0.9, as `search_runs` finds runs: by the
#           newest value of the metric, which `order_by` of the same call uses too.
# Seen:     the filter looks at all values: a model that had 0.95 at step 0 and 0.4 at step 1 is among the models with
#           at least 0.9, and among those with less than 0.5. A filter for good models finds those that were good once,
#           and no filter finds those alone that are good now.
#
# Output seen:
#   accuracy >= 0.9: models {'steady': 0.92, 'fallen': 0.4}, runs [0.92]
#   accuracy < 0.5: models {'fallen': 0.4}, runs [0.4]
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

BEST_FIRST = [{"field_name": "metrics.accuracy", "ascending": False}]


def log(name, values):
    model = mlflow.initialize_logged_model(name=name)
    with mlflow.start_run():
        for step, value in enumerate(values):
            mlflow.log_metric("accuracy", value, step=step, model_id=model.model_id)
    mlflow.finalize_logged_model(model.model_id, "READY")


def newest(model):
    return max(model.metrics, key=lambda metric: metric.step).value


def found(condition):
    """Return the newest accuracy of each model and each run that the filter finds."""
    filter_string = f"metrics.{condition}"
    models = mlflow.search_logged_models(filter_string=filter_string, order_by=BEST_FIRST, output_format="list")
    runs = mlflow.search_runs(filter_string=filter_string, output_format="list")
    by_name = {model.name: newest(model) for model in models}
    values = [run.data.metrics["accuracy"] for run in runs]
    print(f"{condition}: models {by_name}, runs {values}")
    return list(by_name.items()), values


mlflow.set_tracking_uri("sqlite:///mlflow.db")
log("fallen", [0.95, 0.4])
log("steady", [0.91, 0.92])
assert found("accuracy >= 0.9") == ([("steady", 0.92), ("fallen", 0.4)], [0.92])
assert found("accuracy < 0.5") == ([("fallen", 0.4)], [0.4])
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
