#!/usr/bin/env bash
# MLflow: `mlflow.log_metric` in a metric of DSPy's does not write to the active run, but opens a run for each thread.
#
# Seen on 2026-11-30 with mlflow 3.17.2 and dspy 3.4.1, CPython 3.11.
# Expected: inside `with mlflow.start_run():` what the metric of an evaluation logs is in that run.
# Seen:     MLflow's active run belongs to a thread, and `Evaluate` calls the program and the metric on threads of its
#           own. There `log_metric`, as each function that needs a run, starts a new one, which stays RUNNING because
#           nothing ends it. The run of the user has no value. With the run's id (`log_metric(…, run_id=…)`) it has.
#
# Output seen:
#   runs: ['user FINISHED []', "other RUNNING ['seen']"]
#   with the id: ["user FINISHED ['seen']"]
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 dspy==3.4.1
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true DSPY_CACHEDIR=$folder/cache
cat >finding.py <<'PYTHON'
import dspy
import mlflow

mlflow.set_tracking_uri("sqlite:///mlflow.db")


class Echo(dspy.Module):
    def forward(self, question):
        return dspy.Prediction(answer=question)


def runs_after(name, log):
    experiment = mlflow.set_experiment(name)
    with mlflow.start_run(run_name="user") as run:
        def metric(example, prediction, trace=None):
            log(run)
            return True

        examples = [dspy.Example(question="a").with_inputs("question")]
        dspy.Evaluate(devset=examples, metric=metric, num_threads=2, display_progress=False)(Echo())
    found = mlflow.search_runs([experiment.experiment_id], order_by=["start_time ASC"], output_format="list")
    return [
        f"{'user' if one.info.run_name == 'user' else 'other'} {one.info.status} {list(one.data.metrics)}"
        for one in sorted(found, key=lambda one: one.info.run_name != "user")
    ]


without = runs_after("without", lambda run: mlflow.log_metric("seen", 1))
print("runs:", without)
by_id = runs_after("with", lambda run: mlflow.log_metric("seen", 1, run_id=run.info.run_id))
print("with the id:", by_id)
assert without == ["user FINISHED []", "other RUNNING ['seen']"]
assert by_id == ["user FINISHED ['seen']"]
PYTHON
"$python" finding.py 2>log || { cat log >&2; exit 1; }
