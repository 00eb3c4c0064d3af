#!/usr/bin/env bash
# Optuna: a study with constraints is terminated while it improves: the terminator counts from an infeasible trial.
#
# Seen on 2026-12-01 with optuna 5.0.0, CPython 3.11.
# Expected: with `BestValueStagnationEvaluator(10)` a study ends when its best value has not improved for 10 trials.
#           `study.best_trial` is the best one that meets the constraints.
# Seen:     the evaluator takes the best value of all trials. Where the first program is the most accurate and too
#           expensive, no later one beats it: the study ends after 11 more trials, though each of them was the best
#           feasible one so far.
#
# Output seen:
#   trials: 12 of 40
#   best value of the study after each trial: none, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.57, 0.58, 0.59, 0.6, 0.61
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check optuna==5.0.0
cd "$folder"
cat >finding.py <<'PYTHON'
import optuna
from optuna.terminator import BestValueStagnationEvaluator, StaticErrorEvaluator, Terminator, TerminatorCallback

optuna.logging.set_verbosity(optuna.logging.ERROR)
best_values = []


def accuracy(trial):
    """A large model first, above the limit of costs; then cheap programs that become better and better."""
    trial.suggest_int("demos", 0, 8)
    trial.set_user_attr("cost", 5.0 if trial.number == 0 else 0.5)
    return 0.95 if trial.number == 0 else round(0.5 + 0.01 * trial.number, 2)


def above_limit(trial):
    return (trial.user_attrs["cost"] - 1.0,)


def keep_best(study, _):
    try:
        best_values.append(study.best_value)
    except ValueError:
        best_values.append("none")


sampler = optuna.samplers.TPESampler(seed=0, constraints_func=above_limit)
study = optuna.create_study(direction="maximize", sampler=sampler)
terminator = Terminator(BestValueStagnationEvaluator(10), StaticErrorEvaluator(0), min_n_trials=1)
study.optimize(accuracy, n_trials=40, callbacks=[keep_best, TerminatorCallback(terminator)])
print(f"trials: {len(study.trials)} of 40")
print("best value of the study after each trial: " + ", ".join(map(str, best_values)))
assert len(study.trials) == 12
assert best_values == ["none", *(round(0.5 + 0.01 * number, 2) for number in range(1, 12))]
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
