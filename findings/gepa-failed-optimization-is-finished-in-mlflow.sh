#!/usr/bin/env bash
# gepa with MLflow: the run of an optimization that has raised is FINISHED.
#
# Seen on 2026-12-01 with gepa 0.1.4, mlflow 3.17.2, CPython 3.11.
# Expected: with use_mlflow=True the run of an optimization whose evaluator raises is FAILED, as each run of
#           `with mlflow.start_run()` around the same call is. A search for finished runs finds complete optimizations.
# Seen:     gepa's tracker ends the run by `mlflow.end_run()` whatever has happened, which sets FINISHED. The run has the
#           parameters and the score of the given prompt, and nothing that names the error.
#
# Output seen:
#   an optimization that raises ConnectionError in its third iteration: FINISHED
#   the same in `with mlflow.start_run()`: FAILED
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gepa==0.1.4 mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
cat >finding.py <<'PYTHON'
import contextlib

import gepa
import mlflow
from gepa.core.adapter import EvaluationBatch


class Adapter:
    """The service that it evaluates with is gone at the sixth evaluation."""

    propose_new_texts = None
    evaluations = 0

    def evaluate(self, batch, candidate, capture_traces=False):
        self.evaluations += 1
        if self.evaluations == 6:
            raise ConnectionError("the service is gone")
        traces = [None] * len(batch) if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=[0.5] * len(batch), trajectories=traces)

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        return {name: [{"Inputs": "1+1", "Generated Outputs": "3", "Feedback": "wrong"}] for name in components_to_update}


def status(experiment, in_own_run):
    """Return the status of the only run of the experiment after an optimization that raises."""
    mlflow.set_experiment(experiment)
    with contextlib.suppress(ConnectionError), mlflow.start_run() if in_own_run else contextlib.nullcontext():
        gepa.optimize(
            seed_candidate={"prompt": "Add."}, trainset=["a", "b", "c"], valset=["a", "b", "c"], adapter=Adapter(),
            reflection_lm=lambda prompt: "```\nAdd the numbers.\n```", max_metric_calls=100, use_mlflow=True,
            logger=type("Quiet", (), {"log": lambda *_: None})(),
        )
        raise SystemExit("the optimization did not raise")
    (found,) = mlflow.search_runs(output_format="list")
    assert found.data.metrics["val_program_average"] == 0.5
    return found.info.status


mlflow.set_tracking_uri("sqlite:///mlflow.db")
alone = status("alone", in_own_run=False)
print(f"an optimization that raises ConnectionError in its third iteration: {alone}")
around = status("around", in_own_run=True)
print(f"the same in `with mlflow.start_run()`: {around}")
assert (alone, around) == ("FINISHED", "FAILED")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
