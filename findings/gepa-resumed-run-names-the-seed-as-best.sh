#!/usr/bin/env bash
# gepa: in the run of a resumed optimization the best score is that of the seed, whatever was found before.
#
# Seen on 2026-12-01 with gepa 0.1.4, mlflow 3.17.2, CPython 3.11.
# Expected: an optimization that continues from its run_dir has the best candidate and the best score that it has found.
# Seen:     it logs the seed's scores as those of the iteration at which it continues: best_score_on_valset and
#           best_program_as_per_agg_score_valset are the seed's until another candidate is accepted, which late in a
#           search is often never. The chart falls from 1.0 to 0.0, and a search for runs by best_score_on_valset finds
#           another order. A callback gets the seed with is_best_program=True. The result itself, and the
#           best_valset_score at the end of the same run, are right. The numbers come from the checkpoint; the
#           evaluation of the seed on the whole validation set that comes before it is thrown away, and not counted.
#
# Output seen:
#   first run:   best_score_on_valset 1.0, best program 1, best_valset_score 1.0
#   resumed run: best_score_on_valset 0.0, best program 0, best_valset_score 1.0
#   callback of the resumed run: candidate 0 with 0.0 is the best program True
#   evaluations of validation examples by the resumed run: 3, counted 0
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
import gepa
import mlflow
from gepa.core.adapter import EvaluationBatch

evaluated, validated = [], []


class Adapter:
    """The given prompt scores 0 on each example, any other one 1."""

    propose_new_texts = None

    def evaluate(self, batch, candidate, capture_traces=False):
        evaluated.extend(example for example in batch if example.startswith("validation"))
        score = float(candidate["prompt"] != "Add.")
        traces = [None] * len(batch) if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=[score] * len(batch), trajectories=traces)

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        return {name: [{"Inputs": "1+1", "Generated Outputs": "3", "Feedback": "wrong"}] for name in components_to_update}


class Validated:
    def on_valset_evaluated(self, event):
        validated.append((event["candidate_idx"], event["average_score"], event["is_best_program"]))


def optimize(max_metric_calls):
    """Return the metrics of the run, and the number of metric calls that gepa has counted."""
    result = gepa.optimize(
        seed_candidate={"prompt": "Add."}, trainset=["training 1", "training 2", "training 3"],
        valset=["validation 1", "validation 2", "validation 3"], adapter=Adapter(),
        reflection_lm=lambda prompt: "```\nAdd the numbers.\n```", max_metric_calls=max_metric_calls, run_dir="run",
        use_mlflow=True, callbacks=[Validated()], logger=type("Quiet", (), {"log": lambda *_: None})(),
    )
    assert result.best_candidate == {"prompt": "Add the numbers."}
    newest = mlflow.search_runs(max_results=1, order_by=["start_time DESC"], output_format="list")[0].data.metrics
    return newest, result.total_metric_calls


def text(metrics):
    return (
        f"best_score_on_valset {metrics['best_score_on_valset']}, best program "
        f"{metrics['best_program_as_per_agg_score_valset']:.0f}, best_valset_score {metrics['best_valset_score']}"
    )


mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("gepa")
first, counted = optimize(12)
print(f"first run:   {text(first)}")
evaluated.clear()
validated.clear()
resumed, in_all = optimize(15)
print(f"resumed run: {text(resumed)}")
((candidate, score, best),) = validated
print(f"callback of the resumed run: candidate {candidate} with {score} is the best program {best}")
on_training = 3
print(f"evaluations of validation examples by the resumed run: {len(evaluated)}, counted {in_all - counted - on_training}")
assert text(first) == "best_score_on_valset 1.0, best program 1, best_valset_score 1.0"
assert text(resumed) == "best_score_on_valset 0.0, best program 0, best_valset_score 1.0"
assert (candidate, score, best) == (0, 0.0, True)
assert (len(evaluated), in_all - counted) == (3, on_training)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
