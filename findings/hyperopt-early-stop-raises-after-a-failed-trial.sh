#!/usr/bin/env bash
# Hyperopt: with `no_progress_loss` the first failed trial ends the optimization with a KeyError.
#
# Seen on 2026-12-01 with hyperopt 0.3.0, CPython 3.11.
# Expected: a trial with `STATUS_FAIL`, as when a model's server rejects a request, is left out, as it is without
#           `early_stop_fn`.
# Seen:     `no_progress_loss` reads the loss of the newest trial, which a failed one need not have: `fmin` raises
#           KeyError after it, whatever other trials have found, and returns nothing.
#
# Output seen:
#   without early stopping: 20 trials, 1 of them failed, a best value found
#   with no_progress_loss(10): KeyError('loss') after 3 trials
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check hyperopt==0.3.0
cd "$folder"
cat >finding.py <<'PYTHON'
import numpy
from hyperopt import STATUS_FAIL, STATUS_OK, Trials, fmin, hp, rand
from hyperopt.early_stop import no_progress_loss


def optimize(**options):
    """Trials of an optimization whose third trial fails, and its result."""
    trials = Trials()

    def loss(temperature):
        if len(trials.trials) == 3:
            return {"status": STATUS_FAIL}
        return {"status": STATUS_OK, "loss": temperature}

    try:
        result = fmin(
            loss,
            hp.uniform("temperature", 0, 1),
            algo=rand.suggest,
            max_evals=20,
            trials=trials,
            rstate=numpy.random.default_rng(0),
            show_progressbar=False,
            **options,
        )
    except KeyError as error:
        result = error
    return trials.statuses(), result


statuses, best = optimize()
failed = statuses.count(STATUS_FAIL)
print(f"without early stopping: {len(statuses)} trials, {failed} of them failed, a best value found")
assert (len(statuses), failed, set(best)) == (20, 1, {"temperature"})
statuses, error = optimize(early_stop_fn=no_progress_loss(10))
print(f"with no_progress_loss(10): {error!r} after {len(statuses)} trials")
assert (repr(error), len(statuses)) == ("KeyError('loss')", 3)
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
