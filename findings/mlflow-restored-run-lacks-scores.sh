#!/usr/bin/env bash
# MLflow: a run that is deleted and restored has lost the scores of its traces.
#
# Seen on 2026-11-30 with mlflow 3.17.2, CPython 3.11.
# Expected: restore_run undoes delete_run, as the trash of the UI suggests: traces, tags, parameters and metrics are back.
# Seen:     delete_run marks the run as deleted, but deletes for good each assessment whose metadata
#           mlflow.assessment.sourceRunId names it: the scores that evaluations and autologging record have that. So does
#           delete_experiment, for all runs in it. The trace itself is not deleted, and has no score from that moment on;
#           an assessment without the metadata stays. Nothing is logged.
#
# Output seen:
#   before: exact 1.0 of the run, checked True by a person
#   after delete_run and restore_run: run active, metric 0.9, trace OK
#   assessments: checked
#   the same after delete_experiment and restore_experiment: checked
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
from mlflow.entities import AssessmentSource

mlflow.set_tracking_uri("sqlite:///mlflow.db")
client = mlflow.MlflowClient()


def scored(experiment):
    mlflow.set_experiment(experiment)
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.9)
        with mlflow.start_span("answer") as span:
            span.set_outputs("4")
    mlflow.flush_trace_async_logging()
    mlflow.log_feedback(
        trace_id=span.trace_id,
        name="exact",
        value=1.0,
        source=AssessmentSource("CODE", "exact"),
        metadata={"mlflow.assessment.sourceRunId": run.info.run_id},
    )
    mlflow.log_feedback(trace_id=span.trace_id, name="checked", value=True, source=AssessmentSource("HUMAN", "reviewer"))
    return run.info, span.trace_id


def assessments(trace_id):
    return {one.name: one.value for one in mlflow.get_trace(trace_id).info.assessments}


run, trace_id = scored("one")
assert assessments(trace_id) == {"exact": 1.0, "checked": True}
print("before: exact 1.0 of the run, checked True by a person")
client.delete_run(run.run_id)
client.restore_run(run.run_id)
restored, trace = client.get_run(run.run_id), mlflow.get_trace(trace_id)
state = (restored.info.lifecycle_stage, restored.data.metrics["accuracy"], trace.info.state.value)
assert state == ("active", 0.9, "OK")
print("after delete_run and restore_run: run active, metric 0.9, trace OK")
assert assessments(trace_id) == {"checked": True}
print(f"assessments: {', '.join(assessments(trace_id))}")
run, trace_id = scored("two")
client.delete_experiment(run.experiment_id)
client.restore_experiment(run.experiment_id)
assert assessments(trace_id) == {"checked": True}
print(f"the same after delete_experiment and restore_experiment: {', '.join(assessments(trace_id))}")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
